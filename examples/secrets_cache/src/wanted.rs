//! What the function can ask for: one secret or one parameter, in the words of AWS's extension.

use std::fmt;

use serde_json::json;

/// What is kept where.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Kind {
    /// Of Secrets Manager.
    Secret,
    /// Of the Parameter Store of Systems Manager.
    Parameter,
}

/// One secret or parameter. It is what the cache is keyed by, and holds what is sent to AWS for it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Wanted {
    pub(crate) kind: Kind,
    /// The body of the request, as JSON.
    pub(crate) body: String,
    name: String,
}

/// Why something cannot be asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Mistake {
    /// There is no such route.
    Route,
    /// The sentence says what is wrong with the query.
    Query(String),
}

impl Wanted {
    /// Reads a path with its query, such as `/secretsmanager/get?secretId=db`.
    pub(crate) fn parse(path_and_query: &str) -> Result<Self, Mistake> {
        let (path, query) = path_and_query.split_once('?').unwrap_or((path_and_query, ""));
        match path {
            "/secretsmanager/get" => {
                Self::secret(&Query::parse(query, &["secretId", "versionId", "versionStage"])?)
            }
            "/systemsmanager/parameters/get" | "/systemsmanager/parameters/get/" => {
                Self::parameter(&Query::parse(query, &["name", "label", "version", "withDecryption"])?)
            }
            _ => Err(Mistake::Route),
        }
    }

    fn secret(query: &Query) -> Result<Self, Mistake> {
        let id = query.required("secretId")?;
        let mut body = json!({ "SecretId": id });
        for (key, name) in [("VersionId", "versionId"), ("VersionStage", "versionStage")] {
            if let Some(value) = query.get(name) {
                body[key] = value.into();
            }
        }
        Ok(Self { kind: Kind::Secret, body: body.to_string(), name: id.to_owned() })
    }

    fn parameter(query: &Query) -> Result<Self, Mistake> {
        let name = query.required("name")?;
        let selected = match (query.get("label"), query.get("version")) {
            (Some(_), Some(_)) => {
                return Err(Mistake::Query("give `label` or `version`, not both".to_owned()))
            }
            (Some(one), None) | (None, Some(one)) => format!("{name}:{one}"),
            (None, None) => name.to_owned(),
        };
        let decrypt = match query.get("withDecryption").map(str::to_ascii_lowercase).as_deref() {
            Some("true") => true,
            None | Some("false") => false,
            Some(_) => return Err(Mistake::Query("`withDecryption` is `true` or `false`".to_owned())),
        };
        let body = json!({ "Name": selected, "WithDecryption": decrypt });
        Ok(Self { kind: Kind::Parameter, body: body.to_string(), name: selected })
    }
}

/// For logs: the name, and nothing of what is behind it.
impl fmt::Display for Wanted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = match self.kind {
            Kind::Secret => "secret",
            Kind::Parameter => "parameter",
        };
        write!(f, "{word} `{}`", self.name)
    }
}

struct Query(Vec<(String, String)>);

impl Query {
    /// A word nobody knows is refused: `versionid` for `versionId` would otherwise give another version than was asked for.
    fn parse(query: &str, known: &[&str]) -> Result<Self, Mistake> {
        let pairs: Vec<_> = form_urlencoded::parse(query.as_bytes()).into_owned().collect();
        match pairs.iter().find(|(name, _)| !known.contains(&name.as_str())) {
            Some((name, _)) => Err(Mistake::Query(format!("`{name}` is none of {}", known.join(", ")))),
            None => Ok(Self(pairs)),
        }
    }

    /// An empty value counts as none.
    fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(key, value)| key == name && !value.is_empty()).map(|(_, value)| value.as_str())
    }

    fn required(&self, name: &str) -> Result<&str, Mistake> {
        self.get(name).ok_or_else(|| Mistake::Query(format!("`{name}` is missing")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn body(path: &str) -> String {
        Wanted::parse(path).unwrap().body
    }

    #[test]
    fn a_route_of_awss_extension_becomes_the_request_of_the_service() {
        assert_eq!(body("/secretsmanager/get?secretId=a%2Fb&versionStage="), r#"{"SecretId":"a/b"}"#);
        assert_eq!(
            body("/secretsmanager/get?secretId=a&versionId=v&versionStage=s"),
            r#"{"SecretId":"a","VersionId":"v","VersionStage":"s"}"#
        );
        assert_eq!(
            body("/systemsmanager/parameters/get?name=%2Fa&withDecryption=true"),
            r#"{"Name":"/a","WithDecryption":true}"#
        );
        assert_eq!(
            body("/systemsmanager/parameters/get/?name=a&label=live"),
            r#"{"Name":"a:live","WithDecryption":false}"#
        );
        assert_eq!(
            body("/systemsmanager/parameters/get?version=3&name=a"),
            r#"{"Name":"a:3","WithDecryption":false}"#
        );
    }

    #[test]
    fn a_mistake_is_said_in_a_sentence() {
        let mistake = |path: &str| Wanted::parse(path).unwrap_err();
        assert_eq!(mistake("/secretsmanager/put?secretId=a"), Mistake::Route);
        assert_eq!(mistake("/secretsmanager/get"), Mistake::Query("`secretId` is missing".to_owned()));
        for path in [
            "/secretsmanager/get?secretId=a&versionid=v",
            "/systemsmanager/parameters/get?name=a&label=b&version=1",
            "/systemsmanager/parameters/get?name=a&withDecryption=yes",
        ] {
            assert!(matches!(mistake(path), Mistake::Query(_)), "{path}");
        }
    }

    #[test]
    fn what_is_asked_for_in_two_ways_is_one_thing_to_the_cache() {
        let one = Wanted::parse("/systemsmanager/parameters/get?name=/a&withDecryption=true");
        assert_eq!(one, Wanted::parse("/systemsmanager/parameters/get?withDecryption=TRUE&name=%2Fa"));
    }
}
