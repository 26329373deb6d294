"""Tables and facts are declared once and shown as HTML, JSON and CSV, so that these cannot disagree."""
