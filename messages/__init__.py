"""The vocabulary: plain frozen data that actors send each other. Knows nobody."""
