# Dot-sourced by enable-maintenance.ps1 and disable-maintenance.ps1, which then call Switch-Mode: the twin of switch.sh.
#
# For Windows PowerShell 5.1 and PowerShell 7. No argument of a native command holds a double quote, as 5.1 would
# drop it: the patch goes through a file, and what the client answers is read as JSON instead of by a jsonpath.

# Seconds for which a pod that is not Ready and does not answer is waited for: it may be about to start.
$patience = 8

function Write-Failure([string] $Message) {
    [Console]::Error.WriteLine("${me}: $Message")
    exit 1
}

# Runs a native command; stderr is kept apart, and neither it nor the exit status is an exception.
function Invoke-Native([string] $Command, [string[]] $Arguments) {
    $ErrorActionPreference = 'Continue'
    $PSNativeCommandUseErrorActionPreference = $false
    $lines = @(& $Command @Arguments 2>&1)
    $status = $LASTEXITCODE
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

# The release's ConfigMap, of which there is exactly one.
function Get-ConfigMapName {
    $got = Invoke-Client 'get', 'configmap', '-l', "$labels,app.kubernetes.io/component=config", '-o', 'name'
    if (-not $got.Ok) { Write-Failure "the ConfigMap of release $Release in namespace $Namespace cannot be read: $($got.Err)" }
    $names = @($got.Out -split "`n" | Where-Object { $_ })
    if ($names.Count -eq 0) { Write-Failure "release $Release has no ConfigMap in namespace ${Namespace}: is it installed there? (-Namespace and -Release say where)" }
    if ($names.Count -gt 1) { Write-Failure "release $Release has more than one ConfigMap in namespace ${Namespace}: $($names -join ' ')" }
    $names[0] -replace '^configmap/', ''
}

# Who holds the key in the ConfigMap, other than people at a command line: "helm" where maintenance.enabled is set.
function Get-Owner {
    $got = Invoke-Client 'get', 'configmap', $configmap, '--show-managed-fields', '-o', 'json'
    if (-not $got.Ok) { return }
    ($got.Out | ConvertFrom-Json).metadata.managedFields |
        Where-Object { $null -ne $_.fieldsV1.'f:data'.'f:MAINTENANCE_MODE' -and $_.manager -notmatch '^(kubectl|oc)' } |
        Select-Object -First 1 -ExpandProperty manager
}

# The user pods that are not going away and have not ended, or nothing but $false where they cannot be listed.
function Get-UserPods {
    $got = Invoke-Client 'get', 'pods', '-l', "$labels,app.kubernetes.io/component=user", '-o', 'json'
    if (-not $got.Ok) {
        $script:trouble = $got.Err
        return $false
    }
    ($got.Out | ConvertFrom-Json).items |
        Where-Object { $_ -and -not $_.metadata.deletionTimestamp -and $_.status.phase -notin 'Failed', 'Succeeded' } |
        ForEach-Object {
            [pscustomobject]@{
                Name  = $_.metadata.name
                Ready = [bool]($_.status.conditions | Where-Object { $_.type -eq 'Ready' -and $_.status -eq 'True' })
            }
        }
}

# What a pod is in, true or false, or nothing where it does not answer; then $trouble says why.
function Get-PodMode([string] $Pod) {
    $got = Invoke-Client 'get', '--raw', "/api/v1/namespaces/$Namespace/pods/${Pod}:9090/proxy/metrics"
    if (-not $got.Ok) {
        $script:trouble = $got.Err
        if ($got.Err -match 'forbidden') { Write-Failure "configmap/$configmap is patched, but the pods cannot be asked: $($got.Err)" }
    } elseif ($got.Out -match '(?m)^maintenance_mode (\S+)') {
        if ([double] $Matches[1] -eq 1) { 'true' } else { 'false' }
    } else {
        $script:trouble = "pod/$Pod has no metric maintenance_mode"
    }
}

# Asks each pod that has not yet been seen in the new mode. Sets $pods, all of them, and $open, those still awaited.
function Update-Pods {
    $script:pods = @()
    $script:open = @()
    $list = @(Get-UserPods)
    if ($list.Count -eq 1 -and $list[0] -is [bool]) {
        $script:open = @('(the pods cannot be listed)')
        return
    }
    foreach ($pod in $list) {
        $script:pods += $pod.Name
        if ($settled.Contains($pod.Name)) { continue }
        $answer = Get-PodMode $pod.Name
        if ($answer -eq $mode) {
            Write-Host "pod/$($pod.Name): $modeName"
            $settled[$pod.Name] = $true
        } elseif (-not $answer -and -not $pod.Ready -and $clock.Elapsed.TotalSeconds -ge $patience) {
            if ($unready.Contains($pod.Name)) { continue }
            Write-Host "pod/$($pod.Name): not Ready and does not answer, so it gets no requests: not waited for"
            $unready[$pod.Name] = $true
        } else {
            $script:open += "$($pod.Name):$(if ($answer) { $answer } else { 'no-answer' })"
        }
    }
}

# Without this the kubelet looks at a pod's ConfigMap about once a minute.
function Request-Look {
    $stamp = [DateTimeOffset]::UtcNow.ToUnixTimeSeconds()
    $got = Invoke-Client (@('annotate', 'pod') + $pods + @('--overwrite', "maintenance-mode/refresh=$stamp"))
    if (-not $got.Ok -and $got.Err -match 'forbidden' -and -not $slow) {
        Write-Host "the user pods cannot be annotated, so their kubelets look in their own time, which takes up to 90 s: $($got.Err)"
        $script:slow = $true
    }
}

function Wait-Pods {
    $annotated = -2.0
    $before = $null
    Update-Pods
    # The kubelets must have seen the new ConfigMap before they are made to look.
    if ($open) { Start-Sleep -Seconds 1 }
    # Twice the same pods and none awaited: no other came up in between.
    while ($open -or ($pods -join ' ') -ne $before) {
        $elapsed = $clock.Elapsed.TotalSeconds
        if ($open -and $elapsed -ge $Timeout) {
            $last = if ($trouble) { " Last trouble: $trouble" }
            Write-Failure "after $Timeout s these user pods are not in mode ${modeName}: $($open -join ' '). configmap/$configmap is patched, and they may follow yet; this command can be repeated.$last"
        }
        $before = if ($open) { $null } else { $pods -join ' ' }
        if ($open -and $pods -and $elapsed - $annotated -ge 2) {
            Request-Look
            $annotated = $elapsed
        }
        Start-Sleep -Milliseconds 300
        Update-Pods
    }
    if (-not $pods) { Write-Host "no user pod is there: those that start will be in mode $modeName" }
}

# Sets $Url by the user tier's Route or Ingress; where there is none that can be asked, $noDoor says why.
function Find-FrontDoor {
    $script:noDoor = 'the release has no Route or Ingress (-Url names one)'
    if ($Url) { return }
    foreach ($kind in 'routes.route.openshift.io', 'ingresses.networking.k8s.io') {
        $got = Invoke-Client 'get', $kind, '-l', "$labels,app.kubernetes.io/component=user", '-o', 'json'
        $short = ($kind -split '\.')[0]
        if (-not $got.Ok) {
            # Most clusters have no Routes.
            if ($got.Err -match 'forbidden') { $script:noDoor = "its $short may not be read (-Url names one)" }
            continue
        }
        $door = @(($got.Out | ConvertFrom-Json).items)[0]
        if (-not $door) { continue }
        $rule = @($door.spec.rules)[0]
        $address = @($door.status.loadBalancer.ingress)[0]
        $name = @($door.spec.host, $rule.host, $address.ip, $address.hostname) | Where-Object { $_ } | Select-Object -First 1
        $path = @($door.spec.path, @($rule.http.paths)[0].path, '/') | Where-Object { $_ } | Select-Object -First 1
        if ($name) {
            $scheme = if ($door.spec.tls) { 'https' } else { 'http' }
            $script:Url = "${scheme}://$name$path"
        } else {
            $script:noDoor = "$short/$($door.metadata.name) has neither a host nor an address (-Url names one)"
        }
        return
    }
}

# One answer of the front door, over a connection of its own, or nothing where there is none.
function Get-FrontDoor([string] $Curl) {
    $body = [IO.Path]::GetTempFileName()
    # -k: nothing secret is sent, and a router's own certificate should not hide what users get.
    $arguments = @('-sSk', '-o', $body, '-D', '-', '--max-time', '5')
    if ($HostHeader) { $arguments += '-H', "Host: $HostHeader" }
    $got = Invoke-Native $Curl ($arguments + $Url)
    Remove-Item -LiteralPath $body
    if (-not $got.Ok) {
        $script:trouble = $got.Err
        return
    }
    [pscustomobject]@{
        Status = [int] ($got.Out -split '\s+')[1]
        Ours   = $got.Out -match '(?mi)^maintenance-mode:\s*on\s*$'
    }
}

function Test-FrontDoor {
    Find-FrontDoor
    if (-not $Url) { Write-Host "front door: not checked: $noDoor"; return }
    # An alias of that name means something else in Windows PowerShell.
    $curl = Get-Command curl -CommandType Application -ErrorAction SilentlyContinue | Select-Object -First 1
    if (-not $curl) { Write-Host "front door: $Url was not checked: curl is not on PATH"; return }
    $good = $foreign = $silent = 0
    # Five good ones in a row, each over a new connection: routers have several workers.
    while ($good -lt 5) {
        $answer = Get-FrontDoor $curl.Source
        if (-not $answer) {
            $good = 0
            $silent++
            if ($silent -ge 3) { Write-Host "front door: $Url cannot be reached from here, so it was not checked: $trouble"; return }
        } else {
            $silent = 0
            $page = $answer.Status -eq 503 -and $answer.Ours
            if ($mode -eq 'true') { $isGood = $page } else { $isGood = -not $page -and $answer.Status -lt 500 }
            $good = if ($isGood) { $good + 1 } else { 0 }
            $foreign = if ($mode -eq 'true' -and $answer.Status -eq 503 -and -not $page) { $foreign + 1 } else { 0 }
            if ($foreign -ge 10) {
                Write-Host "front door: $Url answers 503, but without our marker (Maintenance-Mode: on): users see the router's page and not ours. That is what maintenance.endpoints=withdrawn does"
                return
            }
        }
        if ($good -gt 0) { continue }
        if ($clock.Elapsed.TotalSeconds -ge $Timeout) {
            $marked = if ($answer.Ours) { ' with our marker' }
            Write-Failure "every user pod is in mode $modeName, but after $Timeout s the front door $Url answers $($answer.Status)${marked}: is there a cache before it, or does it lead elsewhere?"
        }
        Start-Sleep -Milliseconds 300
    }
    Write-Host "front door: $Url answers $($answer.Status) in mode $modeName"
}

# Sets MAINTENANCE_MODE to $mode, which is called $modeName, and returns when every user pod answers in it. The caller's
# parameters are $Namespace, $Release, $Context, $Timeout, $Url, $HostHeader and $DryRun.
function Switch-Mode([string] $mode, [string] $modeName) {
    $me = if ($mode -eq 'true') { 'enable-maintenance.ps1' } else { 'disable-maintenance.ps1' }
    $client = $env:KUBECTL
    if (-not $client) { $client = 'kubectl', 'oc' | Where-Object { Get-Command $_ -ErrorAction SilentlyContinue } | Select-Object -First 1 }
    if (-not $client) { Write-Failure 'neither kubectl nor oc is on PATH: install one of them, or name it in KUBECTL' }
    if (-not (Get-Command $client -ErrorAction SilentlyContinue)) { Write-Failure "KUBECTL is ""$client"": there is no such program" }
    if ($HostHeader -and -not $Url) { Write-Failure '-HostHeader goes with -Url' }
    $labels = "app.kubernetes.io/name=maintenance-mode,app.kubernetes.io/instance=$Release"
    $settled = @{}
    $unready = @{}
    $configmap = Get-ConfigMapName
    if ($DryRun) {
        Write-Host "would patch configmap/$configmap in namespace ${Namespace}: MAINTENANCE_MODE=$mode"
        foreach ($pod in @(Get-UserPods)) {
            if ($pod -is [bool]) { Write-Failure "the user pods cannot be listed: $trouble" }
            Write-Host "would annotate pod/$($pod.Name) and ask it until it answers in mode $modeName"
        }
        Find-FrontDoor
        if ($Url) { Write-Host "would check the front door $Url" } else { Write-Host "would check no front door: $noDoor" }
        return
    }
    $owner = Get-Owner
    if ($owner) { Write-Host "note: $owner manages MAINTENANCE_MODE (maintenance.enabled is set): the next upgrade with that value takes this change back" }
    $clock = [Diagnostics.Stopwatch]::StartNew()
    $patch = [IO.Path]::GetTempFileName()
    [IO.File]::WriteAllText($patch, "{""data"":{""MAINTENANCE_MODE"":""$mode""}}")
    $got = Invoke-Client 'patch', 'configmap', $configmap, '--type', 'merge', '--patch-file', $patch
    Remove-Item -LiteralPath $patch
    if (-not $got.Ok) { Write-Failure "configmap/$configmap in namespace $Namespace cannot be patched: nothing has changed: $($got.Err)" }
    Write-Host $got.Out
    Wait-Pods
    Test-FrontDoor
    Write-Host "$modeName is in force after $([int] $clock.Elapsed.TotalSeconds) s"
}
