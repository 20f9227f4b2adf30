//! Identifiers that Lambda hands out, as types of their own, so that two of them cannot be swapped.

use std::fmt;

use serde::{Deserialize, Serialize};

macro_rules! identifier {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(String);

        impl $name {
            /// The identifier as Lambda wrote it.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }

        impl From<String> for $name {
            fn from(text: String) -> Self {
                Self(text)
            }
        }

        impl From<&str> for $name {
            fn from(text: &str) -> Self {
                Self(text.to_owned())
            }
        }

        impl PartialEq<str> for $name {
            fn eq(&self, other: &str) -> bool {
                self.0 == other
            }
        }

        impl PartialEq<&str> for $name {
            fn eq(&self, other: &&str) -> bool {
                self.0 == *other
            }
        }
    };
}

identifier! {
    /// What Lambda calls this registration of the extension: a new one after every restart of the environment.
    ExtensionId
}
identifier! {
    /// One invocation of the function: the id that its log lines and its telemetry have as well.
    ///
    /// ```
    /// use lambda_extension::RequestId;
    ///
    /// let id = RequestId::from("8f60e725-45d2-4901-949c-482a936d20be");
    /// assert_eq!(id, "8f60e725-45d2-4901-949c-482a936d20be");
    /// assert!(id.as_str().starts_with("8f60e725"));
    /// ```
    RequestId
}
identifier! {
    /// The Amazon Resource Name of the function, with the version or alias it was invoked by.
    FunctionArn
}
identifier! {
    /// The twelve digits of the AWS account that owns the function.
    AccountId
}
