//! A local Lambda.
#![allow(dead_code)]

mod answer;
mod environment;
mod random;
