"""HTML of the console. Everything is escaped where it enters (``html``)."""
