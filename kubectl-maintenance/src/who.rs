//! Who switches, and in which namespace: by the cluster's word, else by the kubeconfig.

use std::{env, fs};

use anyhow::Result;
use serde_json::Value;

use crate::kubectl::Kubectl;
use crate::object::text;

/// What a pod has of its own namespace.
const IN_A_POD: &str = "/var/run/secrets/kubernetes.io/serviceaccount/namespace";

/// Who asks: the user whom the API server sees, else the kubeconfig's.
///
/// # Errors
/// Where kubectl cannot be started.
pub fn user(kubectl: &dyn Kubectl) -> Result<String> {
    let ran = kubectl.read(&["auth", "whoami", "-o", "json"])?;
    let review = serde_json::from_str::<Value>(&ran.stdout).unwrap_or_default();
    let named = text(&review, "/status/userInfo/username");
    if ran.ok && !named.is_empty() {
        return Ok(named.to_owned());
    }
    let context = context(kubectl)?;
    let named = text(&context, "/user");
    Ok(if named.is_empty() { "unknown".to_owned() } else { named.to_owned() })
}

/// The namespace that kubectl takes where none is named.
///
/// # Errors
/// Where kubectl cannot be started.
pub fn namespace(kubectl: &dyn Kubectl) -> Result<String> {
    let context = context(kubectl)?;
    let named = text(&context, "/namespace");
    if !named.is_empty() || context.is_object() {
        return Ok(if named.is_empty() { "default" } else { named }.to_owned());
    }
    // Without a kubeconfig kubectl takes its pod's.
    let pod = env::var("POD_NAMESPACE").ok().or_else(|| fs::read_to_string(IN_A_POD).ok());
    Ok(pod.map(|pod| pod.trim().to_owned()).filter(|pod| !pod.is_empty()).unwrap_or_else(|| "default".to_owned()))
}

/// The kubeconfig's context in use; nothing where there is none.
fn context(kubectl: &dyn Kubectl) -> Result<Value> {
    let ran = kubectl.read(&["config", "view", "--minify", "-o", "json"])?;
    let config = serde_json::from_str::<Value>(&ran.stdout).unwrap_or_default();
    Ok(config.pointer("/contexts/0/context").cloned().unwrap_or_default())
}
