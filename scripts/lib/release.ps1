# Dot-sourced by switch.ps1 and status.ps1: the client, and what a release has in the cluster: the twin of release.sh.
#
# For Windows PowerShell 5.1 and PowerShell 7. No argument of a native command holds a double quote, as 5.1 would
# drop it: a patch goes through a file, and what the client answers is read as JSON instead of by a jsonpath.
#
# What a function sets for the others is the script's: $script:NAME. The caller's parameters are $Namespace, $Release,
# $Context, $Url, $HostHeader, $AdminUrl and $AdminHostHeader.

function Write-Failure([string] $Message) {
    [Console]::Error.WriteLine("${me}: $Message")
    exit 1
}

function Write-Misuse([string] $Message) {
    [Console]::Error.WriteLine("${me}: $Message")
    exit 64
}

# Ends it with what the client said, and what that means.
function Write-ClientFailure($Got, [string] $Message) {
    if ($Got.Err) { [Console]::Error.WriteLine($Got.Err) }
    Write-Failure $Message
}

# Runs a native command; stderr is kept apart, and neither it nor the exit status is an exception.
function Invoke-Native([string] $Command, [string[]] $Arguments) {
    $ErrorActionPreference = 'Continue'
    $PSNativeCommandUseErrorActionPreference = $false
    # What it says is UTF-8, which Windows PowerShell would read in the console's code page; without a console there is
    # none to set.
    $encoding = [Console]::OutputEncoding
    try { [Console]::OutputEncoding = New-Object System.Text.UTF8Encoding($false) } catch { $encoding = $null }
    $lines = @(& $Command @Arguments 2>&1)
    $status = $LASTEXITCODE
    if ($encoding) { [Console]::OutputEncoding = $encoding }
    $isError = { $_ -is [System.Management.Automation.ErrorRecord] }
    [pscustomobject]@{
        Ok  = $status -eq 0
        Out = @($lines | Where-Object { -not (& $isError) } | ForEach-Object { "$_" }) -join "`n"
        Err = @($lines | Where-Object $isError | ForEach-Object { "$_" }) -join "`n"
    }
}

# The client, in the namespace; a call that hangs ends by itself.
function Invoke-Client([string[]] $Arguments) {
    $common = @('--request-timeout=10s', '-n', $Namespace)
    if ($Context) { $common = @("--context=$Context") + $common }
    Invoke-Native $client ($common + $Arguments)
}

# Patches an object by what a file holds.
function Invoke-Patch([string] $Object, [string] $Type, [string] $Patch, [string[]] $More = @()) {
    $file = [IO.Path]::GetTempFileName()
    [IO.File]::WriteAllText($file, $Patch)
    $got = Invoke-Client (@('patch', $Object, '--type', $Type, '--patch-file', $file) + $More)
    Remove-Item -LiteralPath $file
    $got
}

# The items of a list: Ok, Err and Items.
function Get-Items([string[]] $What) {
    $got = Invoke-Client (@('get') + $What + @('-o', 'json'))
    $items = @()
    if ($got.Ok) { $items = @(($got.Out | ConvertFrom-Json).items | Where-Object { $_ }) }
    [pscustomobject]@{ Ok = $got.Ok; Err = $got.Err; Items = $items }
}

# An object of the release.
function Get-Object([string] $Object) {
    $got = Invoke-Client 'get', $Object, '--show-managed-fields', '-o', 'json'
    if (-not $got.Ok) { Write-ClientFailure $got "$Object of release $Release in namespace $Namespace cannot be read: see the message above" }
    $got.Out | ConvertFrom-Json
}

# Sets $me, $client, $curl and $labels, and looks at the parameters.
function Initialize-Release([string] $Script) {
    $script:me = $Script
    # No validation of the parameters, which would hold for what the scripts find themselves too.
    if ($Url -and $Url -notmatch '^https?://.') { Write-Misuse "invalid -Url ""$Url"": expected an address that begins with http:// or https://" }
    if ($AdminUrl -and $AdminUrl -notmatch '^https?://.') { Write-Misuse "invalid -AdminUrl ""$AdminUrl"": expected an address that begins with http:// or https://" }
    if ($HostHeader -and -not $Url) { Write-Misuse '-HostHeader goes with -Url' }
    if ($AdminHostHeader -and -not $AdminUrl) { Write-Misuse '-AdminHostHeader goes with -AdminUrl' }
    $script:client = $env:KUBECTL
    if (-not $client) { $script:client = 'kubectl', 'oc' | Where-Object { Get-Command $_ -ErrorAction SilentlyContinue } | Select-Object -First 1 }
    if (-not $client) { Write-Failure 'neither kubectl nor oc is on PATH: install one of them, or name it in KUBECTL' }
    if (-not (Get-Command $client -ErrorAction SilentlyContinue)) { Write-Failure "invalid KUBECTL ""$client"": expected a program that is there" }
    # An alias of that name means something else in Windows PowerShell.
    $script:curl = (Get-Command curl -CommandType Application -ErrorAction SilentlyContinue | Select-Object -First 1).Source
    $script:labels = "app.kubernetes.io/name=maintenance-mode,app.kubernetes.io/instance=$Release"
    $script:trouble = ''
}

# The user pods that are not going away and have not ended: Ok, Err and Items, each with Name, Ready, and what its
# release Switches.
function Get-UserPods {
    $got = Get-Items 'pods', '-l', "$labels,app.kubernetes.io/component=user"
    $pods = @(foreach ($pod in $got.Items) {
        if ($pod.metadata.deletionTimestamp -or $pod.status.phase -in 'Failed', 'Succeeded') { continue }
        [pscustomobject]@{
            Name     = $pod.metadata.name
            Ready    = @($pod.status.conditions | Where-Object { $_.type -eq 'Ready' -and $_.status -eq 'True' }).Count -gt 0
            Switches = "$($pod.metadata.annotations.'maintenance-mode/switch')"
        }
    })
    [pscustomobject]@{ Ok = $got.Ok; Err = $got.Err; Items = $pods }
}

# Sets $switched, the objects that the toggle patches, and $kind, which of them it is: config, backend or selector.
# The user pods tell: whoever may use this command may list pods. Where none is left, their Deployment tells.
function Find-Switched {
    $got = Get-UserPods
    if (-not $got.Ok) { Write-ClientFailure $got "the user pods of release $Release in namespace $Namespace cannot be listed: see the message above" }
    $told = @($got.Items | ForEach-Object { $_.Switches } | Sort-Object -Unique)
    if (-not "$told") {
        $got = Get-Items 'deployments.apps', '-l', "$labels,app.kubernetes.io/component=user"
        if (-not $got.Ok) { Write-Failure "release $Release has no user pods in namespace $Namespace, and its Deployment, which would tell what is switched, cannot be listed: $($got.Err)" }
        $told = @($got.Items | ForEach-Object { $_.spec.template.metadata.annotations.'maintenance-mode/switch' } | Where-Object { $_ } | Sort-Object -Unique)
    }
    if ($told.Count -eq 0) { Write-Failure "release $Release has no user pods in namespace ${Namespace}: is it installed there? (-n and -r say where)" }
    if ($told.Count -gt 1) { Write-Failure "the user pods of release $Release do not agree on what is switched, as an upgrade is under way: repeat this when it has ended. They say: $($told -join ' ')" }
    $script:switched = @($told[0] -split ' ')
    $script:kind = if ($told[0] -like 'configmap/*') { 'config' } elseif ($told[0] -like 'service/*') { 'selector' } else { 'backend' }
}

# Sets what the first switched object tells: $frontDoor, $frontPath, $adminDoor, $application (names of Services), $tracked
# (by Argo CD, and as what) and $holder: who holds the key in the ConfigMap, other than people at a command line:
# "helm" where maintenance.enabled is set.
function Read-Switched {
    $object = Get-Object $switched[0]
    $annotations = $object.metadata.annotations
    $instances = $object.metadata.labels
    $script:frontDoor = $annotations.'maintenance-mode/front-door'
    $script:frontPath = $annotations.'maintenance-mode/front-path'
    $script:adminDoor = $annotations.'maintenance-mode/admin-door'
    $script:application = @("$($annotations.'maintenance-mode/application')" -split ' ' | Where-Object { $_ })
    $script:tracked = "$($annotations.'argocd.argoproj.io/tracking-id')$($instances.'argocd.argoproj.io/instance')"
    $writers = @($object.metadata.managedFields | Where-Object { $_ })
    # Argo CD may also track by the label app.kubernetes.io/instance, or leave no mark; it always writes as argocd-….
    if (-not $tracked -and @($writers | Where-Object { $_.manager -like 'argocd*' }).Count -gt 0) { $script:tracked = "$($instances.'app.kubernetes.io/instance')" }
    $script:holder = ''
    if ($kind -eq 'config') {
        $script:holder = $writers |
            Where-Object { $null -ne $_.fieldsV1.'f:data'.'f:MAINTENANCE_MODE' -and $_.manager -notmatch '^(kubectl|oc)' } |
            Select-Object -First 1 -ExpandProperty manager
    }
}

# What a pod is in, true or false, or nothing where it does not answer; then $trouble says why.
function Get-PodMode([string] $Pod) {
    $got = Invoke-Client 'get', '--raw', "/api/v1/namespaces/$Namespace/pods/${Pod}:9090/proxy/metrics"
    if (-not $got.Ok) {
        $script:trouble = $got.Err
    } elseif ($got.Out -match '(?m)^maintenance_mode (\S+)') {
        if ([double] $Matches[1] -eq 1) { 'true' } else { 'false' }
    } else {
        $script:trouble = "pod/$Pod has no metric maintenance_mode"
    }
}

# Sets $door to the URL of a tier's Route or Ingress; where there is none that can be asked, $noDoor says why.
function Find-Door([string] $Component) {
    $script:door = ''
    $script:noDoor = 'the release has no Route or Ingress whose host is known'
    foreach ($resource in 'routes.route.openshift.io', 'ingresses.networking.k8s.io') {
        $short = ($resource -split '\.')[0]
        $got = Get-Items $resource, '-l', "$labels,app.kubernetes.io/component=$Component"
        if (-not $got.Ok) {
            # Most clusters have no Routes.
            if ($got.Err -match 'forbidden') { $script:noDoor = "its $short may not be read" }
            continue
        }
        if ($got.Items.Count -eq 0) { continue }
        $way = $got.Items[0]
        $rule = @($way.spec.rules)[0]
        $address = @($way.status.loadBalancer.ingress)[0]
        # A Route with a subdomain gets its host from the router.
        $admitted = @($way.status.ingress)[0]
        $name = @($admitted.host, $way.spec.host, $rule.host, $address.ip, $address.hostname) | Where-Object { $_ } | Select-Object -First 1
        $path = @($way.spec.path, @($rule.http.paths)[0].path) | Where-Object { $_ } | Select-Object -First 1
        # The users' first path may be one that stays on the application.
        if ($Component -eq 'user') {
            if ($kind -eq 'backend') { $path = '' }
            if ($frontPath) { $path = $frontPath }
        }
        if (-not $path) { $path = '/' }
        if ($name) {
            $scheme = if ($way.spec.tls) { 'https' } else { 'http' }
            $script:door = "${scheme}://$name$path"
        } else {
            $script:noDoor = "$short/$($way.metadata.name) has neither a host nor an address"
        }
        return
    }
}

# Sets $Url to the front door; where there is none that can be asked, $noDoor says why.
function Find-FrontDoor {
    if (-not $Url) { $script:Url = $frontDoor }
    if ($Url) { return }
    Find-Door 'user'
    $script:noDoor = "$noDoor (-Url names one)"
    $script:Url = $door
}

# Sets $AdminUrl to the admins' way in, as Find-FrontDoor does.
function Find-AdminDoor {
    if (-not $AdminUrl) { $script:AdminUrl = $adminDoor }
    if ($AdminUrl) { return }
    Find-Door 'admin'
    $script:noDoor = "$noDoor (-AdminUrl names one)"
    $script:AdminUrl = $door
}

# One answer: Status, Marker and Location, over a connection of its own, or nothing where there is none; then $trouble
# says why. $door becomes the URL that gave it. A host that leads to itself over https is followed there.
function Get-DoorAnswer([string] $Who, [string] $Address, [string] $Header) {
    $script:door = $Address
    $answer = Get-Answer $Address $Header
    if (-not $answer -or $Header -or -not (Test-LeadsToHttps $Address $answer)) { return $answer }
    Write-Host "${Who}: $Address redirects to $($answer.Location), so that is asked"
    $script:door = $answer.Location
    Get-Answer $answer.Location ''
}

function Get-Answer([string] $Address, [string] $Header) {
    $body = [IO.Path]::GetTempFileName()
    # -k: nothing secret is sent, and a router's own certificate should not hide what users get.
    $arguments = @('-sSk', '-o', $body, '-D', '-', '--max-time', '5')
    if ($Header) { $arguments += '-H', "Host: $Header" }
    $got = Invoke-Native $curl ($arguments + $Address)
    Remove-Item -LiteralPath $body
    if (-not $got.Ok) {
        $script:trouble = $got.Err
        return
    }
    $answer = [pscustomobject]@{ Status = 0; Marker = ''; Location = '' }
    # The last head is the answer: a proxy's comes before it.
    foreach ($line in ($got.Out -split '\r?\n')) {
        if ($line -match '^HTTP/\S+\s+(\d+)') {
            $answer.Status = [int] $Matches[1]
            $answer.Marker = ''
            $answer.Location = ''
        } elseif ($line -match '^maintenance-mode:\s*(\S+)') {
            $answer.Marker = $Matches[1]
        } elseif ($line -match '^location:\s*(\S+)') {
            $answer.Location = $Matches[1]
        }
    }
    $answer
}

function Test-LeadsToHttps([string] $Address, $Answer) {
    if ($Answer.Status -notin 301, 302, 303, 307, 308) { return $false }
    if (-not ($Address -match '^http://([^/?#]*)')) { return $false }
    $here = $Matches[1] -replace ':[^:]*$', ''
    if (-not ($Answer.Location -match '^https://([^/?#]*)')) { return $false }
    $here -eq ($Matches[1] -replace ':[^:]*$', '')
}

# --- an application of your own -----------------------------------------------------------------

# The endpoints of a Service: Ok, Err and Items, each with its Pod and Ready.
function Get-Endpoints([string] $Service) {
    $got = Get-Items 'endpointslices', '-l', "kubernetes.io/service-name=$Service"
    $endpoints = @(foreach ($slice in $got.Items) {
        foreach ($endpoint in $slice.endpoints) {
            [pscustomobject]@{ Pod = $endpoint.targetRef.name; Ready = $endpoint.conditions.ready -ne $false }
        }
    })
    [pscustomobject]@{ Ok = $got.Ok; Err = $got.Err; Items = $endpoints }
}

# Sets $ready to how many ready endpoints a Service has, and where there are none $lack says what is the matter.
function Measure-Ready([string] $Service) {
    $script:ready = 0
    $script:lack = ''
    $got = Get-Endpoints $Service
    if (-not $got.Ok) {
        $script:lack = "the endpoints of service/$Service cannot be listed: $($got.Err)"
        return
    }
    $script:ready = @($got.Items | Where-Object { $_.Ready }).Count
    if ($ready -gt 0) { return }
    $script:lack = "service/$Service has no ready endpoint"
    $got = Invoke-Client 'get', 'service', $Service, '-o', 'name'
    if (-not $got.Ok -and $got.Err -match 'not found|NotFound') { $script:lack = "service/$Service is not there" }
}

# The Services that lead to the application: its own, and whichever shares a pod with these; but not the one that the
# toggle moves: Ok and Names.
function Get-ApplicationServices {
    $got = Get-Items 'endpointslices'
    $slices = @(foreach ($slice in $got.Items) {
        [pscustomobject]@{
            Service = $slice.metadata.labels.'kubernetes.io/service-name'
            Pods    = @($slice.endpoints | ForEach-Object { $_.targetRef.name } | Where-Object { $_ })
        }
    })
    $theirs = @($slices | Where-Object { $_.Service -in $application } | ForEach-Object { $_.Pods })
    $sharing = @($slices | Where-Object { @($_.Pods | Where-Object { $_ -in $theirs }).Count -gt 0 } | ForEach-Object { $_.Service })
    $names = @(@($application) + $sharing | Where-Object { $_ -and "service/$_" -notin $switched })
    [pscustomobject]@{ Ok = $got.Ok; Names = $names }
}

# Says which other ways in still lead to the application, and what no way in stops.
function Write-OtherWays {
    $others = @()
    $unknown = @()
    $services = Get-ApplicationServices
    if (-not $services.Ok) {
        Write-Host 'other ways in: not looked for: the endpoints of the Services cannot be listed'
    } else {
        foreach ($resource in 'ingresses.networking.k8s.io', 'routes.route.openshift.io', 'httproutes.gateway.networking.k8s.io') {
            $short = ($resource -split '\.')[0]
            $got = Get-Items $resource
            if (-not $got.Ok) {
                # A cluster without that API has no such way in.
                if ($got.Err -match 'forbidden') { $unknown += $short }
                continue
            }
            foreach ($way in $got.Items) {
                if ($way.metadata.labels.'app.kubernetes.io/instance' -eq $Release) { continue }
                $names = @(
                    $way.spec.defaultBackend.service.name
                    $way.spec.to.name
                    foreach ($backend in $way.spec.alternateBackends) { $backend.name }
                    foreach ($rule in $way.spec.rules) {
                        foreach ($path in $rule.http.paths) { $path.backend.service.name }
                        foreach ($backend in $rule.backendRefs) { $backend.name }
                    }
                )
                if (@($names | Where-Object { $_ -in $services.Names }).Count -gt 0) { $others += "$short/$($way.metadata.name)" }
            }
        }
        if ($others.Count -gt 0) {
            Write-Host "other ways in that still lead to the application: $($others -join ' ')"
        } else {
            Write-Host 'other ways in to the application in this namespace: none'
        }
        if ($unknown.Count -gt 0) { Write-Host "other ways in that may not be listed: $($unknown -join ' ')" }
    }
    Write-Host 'callers inside the cluster, jobs and workers are not stopped'
}
