"""kcollect's pages: what each address shows, and who makes it."""
