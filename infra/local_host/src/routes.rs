//! Which function a path belongs to, as Spin reads `[[trigger.http]]`.

/// Of a route and its function each, the function of the longest route that the path matches: `/a/...` matches what is
/// below `/a`, others match exactly.
pub fn longest<'a, T>(routes: impl IntoIterator<Item = (&'a str, T)>, path: &str) -> Option<T> {
    let matches = |route: &str| match route.strip_suffix("/...") {
        Some(prefix) => {
            path.strip_prefix(prefix).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        }
        None => path == route,
    };
    let matching = routes.into_iter().filter(|(route, _)| matches(route));
    matching.max_by_key(|(route, _)| route.len()).map(|(_, function)| function)
}

#[cfg(test)]
mod tests {
    use super::longest;

    #[test]
    fn the_longest_route_wins() {
        let routes = [("/...", "proxy"), ("/api/...", "billing"), ("/billing/health", "health")];
        assert_eq!(longest(routes, "/api/users"), Some("billing"));
        assert_eq!(longest(routes, "/api"), Some("billing"));
        assert_eq!(longest(routes, "/apis"), Some("proxy"));
        assert_eq!(longest(routes, "/billing/health"), Some("health"));
        assert_eq!(longest(routes, "/billing/health/x"), Some("proxy"));
        assert_eq!(longest([("/api/...", ())], "/v1"), None);
    }
}
