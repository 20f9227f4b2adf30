//! A local Lambda.
