//! The attribute macro of `lambda_extension`.
