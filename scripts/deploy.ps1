#!/usr/bin/env pwsh
# Installs a release of the chart, or upgrades it and keeps its values: deploy.ps1 [NAMESPACE [RELEASE [HELM ARGUMENT...]]],
# by default the demo's, demo-503 and demo-app. The cluster is that of KUBECONFIG, or the current context. HELM names another helm.
#   scripts/deploy.ps1 shop shop --set expose.user.host=shop.example.org --set expose.admin.host=admin.shop.example.org
param([string] $Namespace = 'demo-503', [string] $Release = 'demo-app', [Parameter(ValueFromRemainingArguments)][string[]] $HelmArguments = @())
function Stop-Here([string] $Message) { [Console]::Error.WriteLine("deploy.ps1: $Message"); exit 1 }

$chart = Join-Path (Split-Path $PSScriptRoot) 'chart'
$helm = if ($env:HELM) { $env:HELM } else { 'helm' }
if (-not (Get-Command $helm -ErrorAction SilentlyContinue)) { Stop-Here 'no helm: expected it on PATH, or its name in HELM' }
$version = & $helm version --short

# By --set alone each value that is not named again would be the chart's own again.
$arguments = @('upgrade', '--install', $Release, $chart, '--namespace', $Namespace, '--create-namespace', '--wait', '--timeout', '5m', '--reset-then-reuse-values') + $HelmArguments
# Who says the mode takes it over from whoever has switched since; else Helm 4 stops, and ends no maintenance. Helm 3 knows neither flag.
if ("$version $arguments" -like 'v4.*maintenance.enabled=*') { $arguments += '--server-side=true', '--force-conflicts' }
"$helm $arguments"
& $helm @arguments
if ($LASTEXITCODE -ne 0) { Stop-Here 'helm failed. Where it names a conflict with kubectl, somebody has switched: say the mode, such as --set maintenance.enabled=true' }

"
Look at the pods:  kubectl get pods -n $Namespace -l app.kubernetes.io/instance=$Release
A router may lag, and ask pods that have ended for some seconds yet: kubectl maintenance status shows what users get."
