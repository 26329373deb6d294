"""One module per page family; each has its template under the same stem."""
