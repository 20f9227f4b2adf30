//! Extensions under AWS's own emulator, through their whole life.

mod examples;
mod faults;
mod harness;
mod internal;
mod life;
mod managed;
mod names;
