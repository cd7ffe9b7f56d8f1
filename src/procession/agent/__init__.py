"""Next to the phones: claims work, runs it in children, reports how it ended."""
