#!/usr/bin/env pwsh
# Users get the application again: disable-maintenance.ps1 [NAMESPACE [RELEASE]], by default the demo's, demo-503 and demo-app.
# The cluster is that of KUBECONFIG, or kubectl's current context. KUBECTL names another client.
param([string] $Namespace = 'demo-503', [string] $Release = 'demo-app')
function Stop-Here([string] $Message) { [Console]::Error.WriteLine("disable-maintenance.ps1: $Message"); exit 1 }

$kubectl = $env:KUBECTL
foreach ($name in 'kubectl', 'oc') { if (-not $kubectl -and (Get-Command $name -ErrorAction SilentlyContinue)) { $kubectl = $name } }
if (-not $kubectl) { Stop-Here 'no client: expected kubectl or oc on PATH, or its name in KUBECTL' }
function k { & $kubectl --namespace $Namespace @args; if ($LASTEXITCODE -ne 0) { exit 1 } }

# The ConfigMap of the release, and what the release switches.
$label = "app.kubernetes.io/instance=$Release,maintenance-mode.github.io/switch"
$user = "app.kubernetes.io/instance=$Release,app.kubernetes.io/component=user"
$kind = k get configmap '-l' $label '-o' 'jsonpath={.items[*].metadata.labels.maintenance-mode\.github\.io/switch}'
if ($kind -eq 'service') { Stop-Here "release $Release in namespace $Namespace is a standby release, which has no user tier: kubectl maintenance off $Release -n $Namespace" }
if ($kind -ne 'config') { Stop-Here "namespace $Namespace has no release ${Release}: kubectl maintenance status -A lists those that there are" }

# In YAML, as Windows PowerShell does not pass on the quotes of JSON.
$config = k get configmap '-l' "$label=config" '-o' 'jsonpath={.items[*].metadata.name}'
k patch configmap $config '-p' "data: {MAINTENANCE_MODE: 'false'}"
k rollout restart deployment '-l' $user
k rollout status deployment '-l' $user '--timeout' 5m

"
Look at the pods:  $kubectl get pods -n $Namespace -l $user
and at the users' address, such as the demo's:  curl.exe -i http://localhost:8080/  (200)
A router may lag, and answer in the old mode for some seconds yet: kubectl maintenance off returns when no answer is old."
