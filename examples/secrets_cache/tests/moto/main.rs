//! The extension's process with moto for AWS, which `tests/fetch-servers` fetches; without it these tests skip, and say so.

mod life;
mod support;
mod values;
