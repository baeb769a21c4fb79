"""Taking data elsewhere: a whole database to another one, a book to a file and back."""
