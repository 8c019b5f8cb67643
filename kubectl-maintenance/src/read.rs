//! What is read of the cluster: lists by their paths, through the proxy.

use std::slice;

use anyhow::{Result, bail};
use serde_json::Value;

use crate::kubectl::{Answer, Kubectl};
use crate::object::text;

/// What came of a list.
#[derive(Debug)]
pub enum Listed {
    /// Its items.
    Items(Vec<Value>),
    /// The API server has no such kind.
    NotServed,
    /// It may not be read, and what the API server says to that.
    Forbidden(String),
}

/// The path of a list. `api` is `v1` or a group with its version; no namespace stands for all of them.
#[must_use]
pub fn path(api: &str, namespace: Option<&str>, kinds: &str, selector: &str) -> String {
    let root = if api == "v1" { "/api" } else { "/apis" };
    let namespace = namespace.map_or_else(String::new, |namespace| format!("/namespaces/{namespace}"));
    let query = if selector.is_empty() { String::new() } else { format!("?labelSelector={}", encoded(selector)) };
    format!("{root}/{api}{namespace}/{kinds}{query}")
}

/// What lists there are at paths.
///
/// # Errors
/// Where the API server cannot be asked, or answers something else.
pub fn lists(kubectl: &dyn Kubectl, paths: &[String]) -> Result<Vec<Listed>> {
    let mut answers = kubectl.get(paths)?;
    for (answer, path) in answers.iter_mut().zip(paths).filter(|(answer, path)| answer.status == 404 && is_core(path)) {
        // It cannot be absent, and has been all the same while the API server was busy.
        *answer = kubectl.get(slice::from_ref(path))?.pop().unwrap_or_default();
    }
    answers.iter().zip(paths).map(|(answer, path)| listed(answer, path)).collect()
}

/// Whether a path is one of the core API, which every API server serves.
fn is_core(path: &str) -> bool {
    path.starts_with("/api/v1/")
}

/// The items at a path, which must be there.
///
/// # Errors
/// Where they may not be read, too.
pub fn items(kubectl: &dyn Kubectl, path: &str) -> Result<Vec<Value>> {
    match lists(kubectl, &[path.to_owned()])?.pop() {
        Some(Listed::Items(items)) => Ok(items),
        Some(Listed::Forbidden(why)) => bail!("{why}"),
        _ => bail!("the API server does not serve {path}"),
    }
}

/// What an answer that is none says, in one line: the API server's own words where it has some.
#[must_use]
pub fn trouble(answer: &Answer) -> String {
    let said = serde_json::from_str::<Value>(&answer.body).unwrap_or_default();
    let message = text(&said, "/message");
    let message = if message.is_empty() { answer.body.trim() } else { message };
    format!("{} {}", answer.status, message.replace('\n', "; ")).trim().to_owned()
}

fn listed(answer: &Answer, path: &str) -> Result<Listed> {
    match answer.status {
        200 => {
            let mut list: Value = serde_json::from_str(&answer.body)?;
            let (kind, version) =
                (text(&list, "/kind").trim_end_matches("List").to_owned(), text(&list, "/apiVersion").to_owned());
            match list.get_mut("items").map(Value::take) {
                Some(Value::Array(mut items)) => {
                    // The items of a list do not say what they are.
                    for item in items.iter_mut().filter_map(Value::as_object_mut) {
                        item.entry("kind").or_insert_with(|| kind.clone().into());
                        item.entry("apiVersion").or_insert_with(|| version.clone().into());
                    }
                    Ok(Listed::Items(items))
                }
                _ => bail!("the API server answers {path} with something that is no list"),
            }
        }
        404 if is_core(path) => bail!("the API server answers {path} with {}", trouble(answer)),
        404 => Ok(Listed::NotServed),
        403 => Ok(Listed::Forbidden(trouble(answer))),
        // Only the API server answers with a Status; anything else is of what stands before it, such as kubectl proxy.
        _ if serde_json::from_str::<Value>(&answer.body).is_ok_and(|body| text(&body, "/kind") == "Status") => {
            bail!("the API server answers {path} with {}", trouble(answer))
        }
        _ => bail!("the API server cannot be reached: {}", answer.body.trim().replace('\n', "; ")),
    }
}

/// As a query takes it.
fn encoded(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte);
    text.bytes().map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") }).collect()
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use super::*;
    use crate::kubectl::Ran;

    #[test]
    fn paths_name_the_api_the_namespace_and_the_labels() {
        assert_eq!(
            path("v1", Some("shop"), "pods", "a/b=c,d!=e"),
            "/api/v1/namespaces/shop/pods?labelSelector=a/b%3Dc%2Cd%21%3De"
        );
        assert_eq!(path("discovery.k8s.io/v1", None, "endpointslices", ""), "/apis/discovery.k8s.io/v1/endpointslices");
    }

    /// An API server that answers one question after the other.
    struct Answers(RefCell<Vec<Answer>>);

    impl Kubectl for Answers {
        fn read(&self, _: &[&str]) -> Result<Ran> {
            bail!("only paths are asked")
        }

        fn change(&self, _: &[&str], _: &str) -> Result<Ran> {
            bail!("nothing is changed")
        }

        fn get(&self, paths: &[String]) -> Result<Vec<Answer>> {
            Ok(self.0.borrow_mut().drain(..paths.len()).collect())
        }

        fn as_typed(&self, _: &[&str]) -> String {
            String::new()
        }
    }

    #[test]
    fn a_list_of_the_core_api_is_asked_for_once_more_and_never_absent() {
        let answer = |status, body: &str| Answer { status, body: body.to_owned() };
        let paths = ["/api/v1/pods".to_owned(), "/apis/route.openshift.io/v1/routes".to_owned()];
        let there = answer(200, r#"{"kind": "PodList", "apiVersion": "v1", "items": [{}]}"#);
        let absent = || answer(404, "404 page not found\n");
        let answers = Answers(RefCell::new(vec![absent(), absent(), there]));
        let lists = lists(&answers, &paths).unwrap();
        assert!(matches!(&lists[..], [Listed::Items(items), Listed::NotServed] if items.len() == 1), "{lists:?}");
        let answers = Answers(RefCell::new(vec![absent(), absent()]));
        let error = super::lists(&answers, &paths[..1]).unwrap_err().to_string();
        assert_eq!(error, "the API server answers /api/v1/pods with 404 404 page not found");
    }

    #[test]
    fn an_api_server_that_cannot_be_asked_is_no_empty_list() {
        let answer = Answer { status: 502, body: "dial tcp: connection refused\n".into() };
        let error = listed(&answer, "/api/v1/pods").unwrap_err().to_string();
        assert_eq!(error, "the API server cannot be reached: dial tcp: connection refused");
        let body = r#"{"kind": "Status", "message": "etcdserver: request timed out"}"#.to_owned();
        let error = listed(&Answer { status: 500, body }, "/api/v1/pods").unwrap_err().to_string();
        assert_eq!(error, "the API server answers /api/v1/pods with 500 etcdserver: request timed out");
    }
}
