"""Recording of the documents' examples, and generation of clients from the documents."""
