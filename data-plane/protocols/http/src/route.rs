//! Whose request it is: a connection's, or the gateway's own.

use hoop_model::ResourceName;

/// Where a request belongs, by its path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Route<'a> {
    /// `/c/NAME/rest`: a connection's, with the target as the backend knows it.
    Connection {
        /// The connection.
        name: ResourceName,
        /// The path and query behind the name; starts with `/`, and is not judged yet.
        rest: &'a str,
    },
    /// `/.hoop/…`: the gateway's own, with the path and query from the second `/` on.
    Own(&'a str),
    /// Nobody's.
    Unknown,
}

impl<'a> Route<'a> {
    /// Splits a path and query as it came. A name has one spelling, so nothing is decoded here: `/c/NAME` without a
    /// further `/`, an escaped or otherwise misspelled name is nobody's.
    #[must_use]
    pub fn of(path_and_query: &'a str) -> Self {
        if let Some(behind) = path_and_query.strip_prefix("/.hoop")
            && behind.starts_with('/')
        {
            return Self::Own(behind);
        }
        let split = || {
            let behind = path_and_query.strip_prefix("/c/")?;
            let (name, rest) = behind.split_at_checked(behind.find('/')?)?;
            Some(Self::Connection { name: ResourceName::parse(name).ok()?, rest })
        };
        split().unwrap_or(Self::Unknown)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_names_its_connection_in_one_way() {
        let name = || ResourceName::parse("react").unwrap();
        for (path, rest) in [("/c/react/", "/"), ("/c/react/a/b?x=/", "/a/b?x=/"), ("/c/react//a", "//a")] {
            assert_eq!(Route::of(path), Route::Connection { name: name(), rest });
        }
        assert_eq!(Route::of("/.hoop/healthz?v"), Route::Own("/healthz?v"));
    }

    #[test]
    fn any_other_path_is_nobodys() {
        for path in [
            "",
            "/",
            "*",
            "/c",
            "/c/",
            "/c//a",
            "/c/react",
            "/c/react?a=/",
            "/c/React/a",
            "/c/%72eact/a",
            "/C/react/a",
            "//c/react/a",
            "/x/../c/react/a",
            "/c/../.hoop/a",
            "/.hoop",
            "/.hoopla/a",
            "/.HOOP/a",
            "/c/a b/c",
        ] {
            assert_eq!(Route::of(path), Route::Unknown, "{path:?}");
        }
    }
}
