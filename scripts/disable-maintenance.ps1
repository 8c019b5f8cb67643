#!/usr/bin/env pwsh

<#
.SYNOPSIS
Ends a release's maintenance, and returns when that is in force: sets MAINTENANCE_MODE to false and makes every user pod read it at once; before an application of your own it moves the backend of the users' Ingress, Route or HTTPRoute, or the selector of its Service.
.DESCRIPTION
No pod restarts. The environment variable KUBECTL names the client; default: kubectl, else oc. It must be allowed what rbac.toggle.subjects allows.
.PARAMETER Timeout
Seconds.
.PARAMETER Url
The front door; default: what the chart or the users' Route or Ingress says.
.PARAMETER HostHeader
The Host header to send to Url.
.PARAMETER AdminUrl
The admins' way in to an application of your own, where the chart does not know it.
.PARAMETER AdminHostHeader
The Host header to send to AdminUrl.
.PARAMETER Force
Go on though Argo CD would take the change back, no page pod is ready, or the application does not answer.
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
    [string] $AdminUrl,
    [string] $AdminHostHeader,
    [switch] $Force,
    [switch] $DryRun
)
$ErrorActionPreference = 'Stop'
. (Join-Path $PSScriptRoot 'lib/switch.ps1')
Switch-Mode 'false' 'normal'
