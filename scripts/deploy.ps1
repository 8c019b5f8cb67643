#!/usr/bin/env pwsh

<#
.SYNOPSIS
Installs a release of the chart, or upgrades it keeping its values, and waits until it is there: the twin of deploy.sh.
.DESCRIPTION
The environment variable HELM names the client; default: helm.
.PARAMETER Chart
Default: the chart of this repository.
.PARAMETER Timeout
A duration, such as 5m.
.PARAMETER DryRun
Print the helm command, and change nothing.
.PARAMETER HelmArguments
Whatever follows the other parameters goes to helm.
.EXAMPLE
./deploy.ps1 -Namespace shop -Release shop --set expose.user.host=shop.example.org
#>
[CmdletBinding(PositionalBinding = $false)]
param(
    [Alias('n')][string] $Namespace = 'demo-503',
    [Alias('r')][string] $Release = 'demo-app',
    [string] $Context,
    [string] $Chart,
    [string] $Timeout = '5m',
    [switch] $DryRun,
    [Parameter(ValueFromRemainingArguments)][string[]] $HelmArguments = @()
)
$PSNativeCommandUseErrorActionPreference = $false
# What a client says on stderr is no error of this script's: 5.1 would throw it.
$ErrorActionPreference = 'Continue'
# Not as a default above: 5.1 knows no $PSScriptRoot there.
if (-not $Chart) { $Chart = Join-Path (Split-Path $PSScriptRoot) 'chart' }

function Write-Failure([string] $Message) {
    [Console]::Error.WriteLine("deploy.ps1: $Message")
    exit 1
}

$helm = if ($env:HELM) { $env:HELM } else { 'helm' }
if (-not (Get-Command $helm -ErrorAction SilentlyContinue)) { Write-Failure 'helm is not on PATH: install it, or name it in HELM' }
$version = & $helm version --short
if ($LASTEXITCODE -ne 0) { Write-Failure "$helm does not tell its version" }

$where = @('--namespace', $Namespace)
if ($Context) { $where += '--kube-context', $Context }
$arguments = @('upgrade', '--install', $Release, $Chart) + $where + @('--create-namespace', '--wait', '--timeout', $Timeout) + $HelmArguments

$status = (& $helm status $Release @where 2>&1 | ForEach-Object { "$_" }) -join "`n"
if ($LASTEXITCODE -eq 0) {
    # --set alone would reset every value that is not named again.
    $arguments += '--reset-then-reuse-values'
    # Helm 4 can apply server-side, where a key that was patched by hand since is a conflict unless it is taken over;
    # on a release that Helm 3 installed it needs both. Helm 3 knows neither.
    if ($version -match '^v4\.') { $arguments += '--server-side=true', '--force-conflicts' }
} elseif ($status -notmatch 'not found') {
    Write-Failure "release $Release in namespace $Namespace cannot be looked up: $status"
}
Write-Host "$helm $arguments"
if ($DryRun) { exit 0 }
& $helm @arguments
exit $LASTEXITCODE
