//! Integration tests of the framework: what they share.
