//! Patterns, attributes, documentation and any kind of result on the handler.
#![deny(missing_docs)]

use lambda_extension::{InvokeEvent, RequestId};

mod outcome {
    pub(crate) type Outcome = std::io::Result<()>;
}

/// Ends the line.
#[doc(alias = "invoke")]
#[inline(never)]
#[allow(clippy::unnecessary_wraps)]
#[lambda_extension::main]
#[cfg(not(target_arch = "wasm32"))]
#[must_use]
pub async fn on_invoke(
    #[allow(unused_variables)] InvokeEvent { ref request_id, deadline_ms, .. }: InvokeEvent,
) -> outcome::Outcome {
    #![allow(unused_mut)]
    let mut id: &RequestId = request_id;
    println!("{id}");
    std::future::ready(Ok(())).await
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_handler_is_an_ordinary_function() {
        drop(super::on_invoke(lambda_extension::InvokeEvent::new("1")));
    }
}
