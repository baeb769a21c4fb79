"""Other job systems, each a program of its own, run with its own best or default settings. The extra `[bench]`."""
