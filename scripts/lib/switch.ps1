# Dot-sourced by enable-maintenance.ps1 and disable-maintenance.ps1, which then call Switch-Mode: the twin of switch.sh.
. (Join-Path $PSScriptRoot 'release.ps1')

# Seconds for which a pod that is not Ready and does not answer is waited for: it may be about to start.
$patience = 8

# Ends it, unless -Force.
function Stop-Switch([string] $Reason) {
    if (-not $Force) { Write-Failure "$Reason Nothing has changed; -Force goes on all the same." }
    Write-Host "forced: $Reason"
}

# Argo CD takes back what it renders: always the object of an application of your own, else where the value is set.
function Test-Tracking {
    if (-not $tracked -or ($kind -eq 'config' -and -not $holder)) { return }
    $app = ($tracked -split ':')[0]
    Stop-Switch "$($switched[0]) is Argo CD's ($app) and rendered from maintenance.enabled: self-heal takes this change back. Set maintenance.enabled=$mode in Git, or: argocd app set $app -p maintenance.enabled=$mode (with several sources add --source-position and the number of the chart's)."
}

# --- the ConfigMap ------------------------------------------------------------------------------

# Asks each pod that has not yet been seen in the new mode. Sets $pods, all of them, and $open, those still awaited.
function Update-Pods {
    $script:pods = @()
    $script:open = @()
    $got = Get-UserPods
    if (-not $got.Ok) {
        $script:trouble = $got.Err
        $script:open = @('(the pods cannot be listed)')
        return
    }
    foreach ($pod in $got.Items) {
        $script:pods += $pod.Name
        if ($settled.Contains($pod.Name)) { continue }
        $answer = Get-PodMode $pod.Name
        if (-not $answer -and $trouble -match 'forbidden') { Write-Failure "$switched is patched, but the pods cannot be asked: $trouble" }
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
    $script:settled = @{}
    $script:unready = @{}
    $script:slow = $false
    $script:trouble = ''
    $annotated = -2.0
    $before = $null
    Update-Pods
    # The kubelets must have seen the new ConfigMap before they are made to look.
    if ($open) { Start-Sleep -Seconds 1 }
    # Twice the same pods and none awaited: no other came up in between.
    while ($open -or ($pods -join ' ') -ne $before) {
        $elapsed = $clock.Elapsed.TotalSeconds
        $before = if ($open) { $null } else { $pods -join ' ' }
        if ($open -and $pods -and $elapsed - $annotated -ge 2) {
            Request-Look
            $annotated = $elapsed
        }
        Start-Sleep -Milliseconds 300
        Update-Pods
        if ($open -and $clock.Elapsed.TotalSeconds -ge $Timeout) {
            $last = if ($trouble) { " Last trouble: $trouble" }
            Write-Failure "after $Timeout s these user pods are not in mode ${modeName}: $($open -join ' '). $switched is patched, and they may follow yet; this command can be repeated.$last"
        }
    }
    if (-not $pods) { Write-Host "no user pod is there: those that start will be in mode $modeName" }
}

function Switch-Config {
    if ($DryRun) {
        Write-Host "would patch $switched in namespace ${Namespace}: MAINTENANCE_MODE=$mode"
        $got = Get-UserPods
        if (-not $got.Ok) { Write-ClientFailure $got 'the user pods cannot be listed: see the message above' }
        foreach ($pod in $got.Items) { Write-Host "would annotate pod/$($pod.Name) and ask it until it answers in mode $modeName" }
        return
    }
    if ($holder) { Write-Host "note: $holder manages MAINTENANCE_MODE (maintenance.enabled is set): the next upgrade with that value takes this change back" }
    $script:clock = [Diagnostics.Stopwatch]::StartNew()
    $got = Invoke-Patch $switched[0] 'merge' "{""data"":{""MAINTENANCE_MODE"":""$mode""}}"
    if (-not $got.Ok) { Write-ClientFailure $got "$switched in namespace $Namespace cannot be patched: nothing has changed" }
    Write-Host $got.Out
    Wait-Pods
}

# --- an application of your own -----------------------------------------------------------------

# Before users are let in again: whether there is something to let them in to.
function Test-Application {
    foreach ($service in $application) {
        Measure-Ready $service
        if ($ready -gt 0) { Write-Host "service/${service}: $ready ready endpoints" } else { Stop-Switch "${lack}: users would get no answer." }
    }
    Find-AdminDoor
    if (-not $AdminUrl) { Write-Host "admins' way in: not checked: $noDoor"; return }
    if (-not $curl) { Write-Host "admins' way in: $AdminUrl was not checked: curl is not on PATH"; return }
    $answer = Get-DoorAnswer "admins' way in" $AdminUrl $AdminHostHeader
    if (-not $answer) {
        Stop-Switch "the application cannot be asked at the admins' way in, ${door}: $trouble. (-AdminUrl and -AdminHostHeader name another way there.)"
    } elseif ($answer.Status -ge 500) {
        Stop-Switch "the application answers $($answer.Status) at the admins' way in, $door."
    } else {
        Write-Host "admins' way in: $door answers $($answer.Status)"
    }
}

# Before users get the page: whether there is a pod that shows it.
function Test-Page {
    foreach ($service in $application) {
        Measure-Ready $service
        if ($ready -eq 0) { Write-Host "note: $lack" }
    }
    $got = Get-UserPods
    if (@($got.Items | Where-Object { $_.Ready }).Count -eq 0) { Stop-Switch "no page pod of release $Release is Ready: users would get the router's own error." }
}

# Until the Service has endpoints of the new side alone.
function Wait-Selector {
    while ($true) {
        $got = Get-Endpoints ($switched[0] -replace '^service/', '')
        if (-not $got.Ok) {
            Write-Host "${switched}: its endpoints cannot be listed, so they were not waited for: $($got.Err)"
            return
        }
        $page = @((Get-UserPods).Items | ForEach-Object { $_.Name })
        $there = @($got.Items | Where-Object { $_.Ready })
        $own = @($there | Where-Object { $_.Pod -in $page }).Count
        $foreign = $there.Count - $own
        if ($mode -eq 'true') {
            if ($own -gt 0 -and $foreign -eq 0) { Write-Host "${switched}: $own endpoints, all of them page pods"; return }
        } elseif ($own -eq 0 -and $foreign -gt 0) {
            Write-Host "${switched}: $foreign endpoints, none of them a page pod"
            return
        }
        if ($clock.Elapsed.TotalSeconds -ge $Timeout) {
            Write-Failure "after $Timeout s $switched has $own endpoints that are page pods and $foreign others. It is patched, and may follow yet; this command can be repeated."
        }
        Start-Sleep -Milliseconds 300
    }
}

function Switch-Application {
    $type = if ($kind -eq 'backend') { 'merge' } else { 'json' }
    # All are read before the first is patched.
    $patches = @{}
    foreach ($object in $switched) {
        $patch = (Get-Object $object).metadata.annotations."maintenance-mode/to-$modeName"
        if (-not $patch) { Write-Failure "$object has no annotation maintenance-mode/to-$modeName, by which it is switched: nothing has changed; helm upgrade renders it" }
        $patches[$object] = $patch
    }
    if ($mode -eq 'true') { Test-Page } else { Test-Application }
    Write-Host "note: the toggle moves ${switched}: a patch of the ConfigMap has no effect here, and the next helm upgrade renders maintenance.enabled again"
    $script:clock = [Diagnostics.Stopwatch]::StartNew()
    $done = @()
    foreach ($object in $switched) {
        if ($DryRun) {
            Write-Host "would patch $object in namespace ${Namespace}: $($patches[$object])"
            continue
        }
        $got = Invoke-Patch $object $type $patches[$object]
        if (-not $got.Ok) {
            if ($done.Count -gt 0) { Write-ClientFailure $got "$object in namespace $Namespace cannot be patched. In mode $modeName already: $($done -join ' '); as before: $object and what comes after it in $switched" }
            Write-ClientFailure $got "$object in namespace $Namespace cannot be patched: nothing has changed"
        }
        Write-Host $got.Out
        $done += $object
    }
    if (-not $DryRun -and $kind -eq 'selector') { Wait-Selector }
}

# --- the front door -----------------------------------------------------------------------------

function Test-FrontDoor {
    $script:checked = $false
    if (-not $Url) { Write-Host "front door: not checked: $noDoor"; return }
    if (-not $curl) { Write-Host "front door: $Url was not checked: curl is not on PATH"; return }
    $what = if ($kind -eq 'config') { 'every user pod' } else { "$switched" }
    $good = $foreign = $silent = 0
    $last = $null
    # Five good ones in a row, each over a new connection: routers have several workers.
    while ($good -lt 5) {
        $answer = Get-DoorAnswer 'front door' $Url $HostHeader
        $script:Url = $door
        if (-not $answer) {
            $good = 0
            $silent++
            if ($silent -ge 3) {
                # The chart's own host may mean nothing here; one that is named should be there.
                if ($named) { Write-Failure "$what is in mode $modeName, but the front door $Url cannot be reached from here: $trouble" }
                Write-Host "front door: $Url cannot be reached from here, so it was not checked: $trouble"
                return
            }
        } else {
            $last = $answer
            $silent = 0
            $page = $answer.Status -eq 503 -and $answer.Marker -eq 'on'
            if ($mode -eq 'true') { $isGood = $page } else { $isGood = $answer.Status -lt 500 }
            $good = if ($isGood) { $good + 1 } else { 0 }
            $foreign = if ($mode -eq 'true' -and $answer.Status -eq 503 -and -not $page) { $foreign + 1 } else { 0 }
            if ($foreign -ge 10 -and $kind -eq 'config') {
                Write-Host "front door: $Url answers 503, but without our marker (Maintenance-Mode: on): users see the router's page and not ours. That is what maintenance.endpoints=withdrawn does"
                return
            }
        }
        if ($good -gt 0) { continue }
        if ($clock.Elapsed.TotalSeconds -ge $Timeout) {
            $says = if ($last) { "$($last.Status)" } else { 'nothing' }
            if ($last.Marker) { $says += ' with our marker' }
            $hint = 'is there a cache before it, or does it lead elsewhere?'
            if ($last.Location) { $hint = "it leads to $($last.Location): -Url names the address where users end up" }
            Write-Failure "$what is in mode $modeName, but after $Timeout s the front door $Url answers ${says}: $hint"
        }
        Start-Sleep -Milliseconds 300
    }
    $script:checked = $true
    Write-Host "front door: $Url answers $($answer.Status) in mode $modeName"
}

# Sets MAINTENANCE_MODE to true or false, which is called $Name; or moves the backend or selector before an application
# of your own. It returns when that is in force. The caller's parameters are those of release.ps1, and $Timeout, $Force
# and $DryRun.
function Switch-Mode([string] $To, [string] $Name) {
    $script:mode = $To
    $script:modeName = $Name
    $script:named = $Url
    Initialize-Release $(if ($To -eq 'true') { 'enable-maintenance.ps1' } else { 'disable-maintenance.ps1' })
    Find-Switched
    Read-Switched
    Test-Tracking
    if ($kind -eq 'config') { Switch-Config } else { Switch-Application }
    Find-FrontDoor
    if ($DryRun) {
        if ($Url) { Write-Host "would check the front door $Url" } else { Write-Host "would check no front door: $noDoor" }
        return
    }
    Test-FrontDoor
    if ($kind -ne 'config' -and $mode -eq 'true') { Write-OtherWays }
    $unchecked = if (-not $checked) { '; the front door was not checked' }
    Write-Host "$modeName is in force after $([Math]::Floor($clock.Elapsed.TotalSeconds)) s$unchecked"
}
