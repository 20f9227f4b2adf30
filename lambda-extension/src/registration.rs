//! What Lambda answers to a registration.

use crate::{
    handle::Handle,
    id::{AccountId, ExtensionId},
    wire::RegisterResponse,
};

/// What is known once Lambda has registered the extension; given to [`Extension::on_init`](crate::Extension::on_init) and to a
/// constructor.
///
/// ```
/// use lambda_extension::Registration;
///
/// let registration = Registration::new("orders");
/// assert_eq!((registration.function_name.as_str(), registration.function_version.as_str()), ("orders", "$LATEST"));
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Registration {
    /// What every other call to Lambda is made with. Another one after each restart of the environment, and the same in all that are
    /// restored from one snapshot.
    pub extension_id: ExtensionId,
    /// The function the extension runs beside.
    pub function_name: String,
    /// The function's version: `$LATEST`, or a number.
    pub function_version: String,
    /// The function's handler; empty for a container image.
    pub handler: String,
    /// The account the function belongs to. Emulators do not always know it.
    pub account_id: Option<AccountId>,
    handle: Handle,
}

impl Registration {
    pub(crate) fn from_response(extension_id: ExtensionId, response: RegisterResponse) -> Self {
        Self {
            extension_id,
            function_name: response.function_name,
            function_version: response.function_version,
            handler: response.handler,
            account_id: response.account_id,
            handle: Handle::default(),
        }
    }

    /// The same registration, connected to the event loop by this handle.
    pub(crate) fn with_handle(mut self, handle: Handle) -> Self {
        self.handle = handle;
        self
    }

    /// A registration for a unit test of [`Extension::on_init`](crate::Extension::on_init) or of a constructor.
    #[must_use]
    pub fn new(function_name: impl Into<String>) -> Self {
        let response = RegisterResponse {
            function_name: function_name.into(),
            function_version: "$LATEST".to_owned(),
            ..RegisterResponse::default()
        };
        Self::from_response(ExtensionId::from("00000000-0000-0000-0000-000000000000"), response)
    }

    /// The connection to the event loop that hooks and background tasks can keep.
    #[must_use]
    pub fn handle(&self) -> Handle {
        self.handle.clone()
    }
}
