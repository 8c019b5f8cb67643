#!/usr/bin/env pwsh

<#
.SYNOPSIS
Tells what a release switches and in which mode it is, its user pods, and what the front door answers; before an application of your own also its Services, the admins' way in, and the other ways in that still lead to it.
.DESCRIPTION
The exit status is 0 if all of it agrees, else 1. It changes nothing: whether what is switched is as a mode wants it, the API server tells by a dry run of the patch, which needs the right to patch it. The environment variable KUBECTL names the client; default: kubectl, else oc.
.PARAMETER Url
The front door; default: what the chart or the users' Route or Ingress says.
.PARAMETER HostHeader
The Host header to send to Url.
.PARAMETER AdminUrl
The admins' way in to an application of your own, where the chart does not know it.
.PARAMETER AdminHostHeader
The Host header to send to AdminUrl.
#>
[CmdletBinding(PositionalBinding = $false)]
param(
    [Alias('n')][string] $Namespace = 'demo-503',
    [Alias('r')][string] $Release = 'demo-app',
    [string] $Context,
    [string] $Url,
    [string] $HostHeader,
    [string] $AdminUrl,
    [string] $AdminHostHeader
)
$ErrorActionPreference = 'Stop'
. (Join-Path $PSScriptRoot 'lib/status.ps1')
Show-Status
