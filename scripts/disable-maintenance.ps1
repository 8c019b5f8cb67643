#!/usr/bin/env pwsh
<#
.SYNOPSIS
Ends a release's maintenance: sets MAINTENANCE_MODE to false, makes every user pod read it at once, and waits until each answers in mode normal.
.DESCRIPTION
No pod restarts. The environment variable KUBECTL names the client; default: kubectl, else oc.
.PARAMETER Timeout
Seconds.
.PARAMETER Url
The front door; default: that of the user tier's Route or Ingress.
.PARAMETER HostHeader
The Host header to send to Url.
.PARAMETER DryRun
Say what would be done, and change nothing.
#>
[CmdletBinding(PositionalBinding = $false)]
param(
    [Alias('n')][string] $Namespace = 'demo-503',
    [Alias('r')][string] $Release = 'demo-app',
    [string] $Context,
    [ValidateRange(0, 86400)][int] $Timeout = 120,
    [string] $Url,
    [string] $HostHeader,
    [switch] $DryRun
)
$ErrorActionPreference = 'Stop'
. (Join-Path $PSScriptRoot 'lib/switch.ps1')
Switch-Mode 'false' 'normal'
