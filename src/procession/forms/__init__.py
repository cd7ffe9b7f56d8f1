"""Forms that people fill in: what a form is, what an answer may be, and the page it is shown on."""
