# Dot-sourced by status.ps1, which then calls Show-Status: the twin of status.sh.
. (Join-Path $PSScriptRoot 'release.ps1')

# Tells it, and is remembered.
function Write-Wrong([string] $Sentence) {
    Write-Host "WRONG: $Sentence"
    $script:bad = $true
}

# Whether the API server says that the patch to a mode would change nothing. Where it cannot be asked, $untold says why.
function Test-Mode([string] $Name, $Object, [string] $Wanted) {
    $patch = $Object.metadata.annotations."maintenance-mode/to-$Wanted"
    if (-not $patch) {
        $script:untold = "it has no annotation maintenance-mode/to-$Wanted"
        return $false
    }
    $got = Invoke-Patch $Name $(if ($kind -eq 'backend') { 'merge' } else { 'json' }) $patch '--dry-run=server'
    if (-not $got.Ok) { $script:untold = $got.Err }
    $got.Ok -and $got.Out -match '\(no change\)'
}

# Whether an object names the page pods, where its patches cannot be compared.
function Test-NamesPage([string] $Name, $Object) {
    $page = $Object.metadata.annotations.'maintenance-mode/page'
    if ($Name -like 'service/*') {
        $values = @($Object.spec.selector.PSObject.Properties | ForEach-Object { $_.Value })
        return ('maintenance-mode' -in $values -or ($page -replace '-user$', '-page') -in $values)
    }
    if (-not $page) { return $false }
    foreach ($rule in $Object.spec.rules) {
        foreach ($backend in $rule.backendRefs) { if ($backend.name -eq $page) { return $backend.weight -ne 0 } }
        foreach ($path in $rule.http.paths) { if ($path.backend.service.name -eq $page) { return $true } }
    }
    $Object.spec.to.name -eq $page
}

# Sets $mode to maintenance or normal by what is switched, and to neither where that does not agree.
function Read-Mode {
    $modes = @()
    foreach ($name in $switched) {
        $object = Get-Object $name
        if ($kind -eq 'config') {
            $value = $object.data.MAINTENANCE_MODE
            if ($value -and $value -cnotin 'true', 'false') {
                $script:mode = 'neither'
                Write-Wrong "${name}: MAINTENANCE_MODE is `"$value`", neither true nor false: pods keep the mode they are in, and one that starts ends at once: run scripts/enable-maintenance.ps1 or scripts/disable-maintenance.ps1"
                return
            }
            $script:mode = if ($value -eq 'true') { 'maintenance' } else { 'normal' }
            Write-Host "${name}: $mode (MAINTENANCE_MODE is $(if ($value) { $value } else { 'unset' }))"
            return
        }
        $script:untold = ''
        if (Test-Mode $name $object 'normal') {
            $script:mode = 'normal'
        } elseif (Test-Mode $name $object 'maintenance') {
            $script:mode = 'maintenance'
        } elseif (-not $untold) {
            $script:mode = 'neither'
            Write-Wrong "$name is in neither mode: fields of the other mode are left: run scripts/enable-maintenance.ps1 or scripts/disable-maintenance.ps1"
        } else {
            $script:mode = if (Test-NamesPage $name $object) { 'maintenance' } else { 'normal' }
            Write-Host "${name}: told by the names in it alone, as its patches cannot be compared: $untold"
        }
        if ($mode -ne 'neither') { Write-Host "${name}: $mode" }
        $modes += $mode
    }
    $modes = @($modes | Sort-Object -Unique)
    if ('neither' -in $modes) {
        $script:mode = 'neither'
    } elseif ($modes.Count -gt 1) {
        $script:mode = 'neither'
        Write-Wrong 'not all of these are in the same mode: repeat the switch'
    }
}

function Show-Pods {
    $got = Get-UserPods
    if (-not $got.Ok) { Write-ClientFailure $got 'the user pods cannot be listed: see the message above' }
    if ($got.Items.Count -eq 0) { Write-Wrong 'no user pod is there: nobody would get the page' }
    $serving = $got.Items.Count -eq 0
    foreach ($pod in $got.Items) {
        $answer = Get-PodMode $pod.Name
        $shown = if (-not $answer) { '' } elseif ($answer -eq 'false') { 'normal' } elseif ($kind -eq 'config') { 'maintenance' } else { 'stands by with the page' }
        # One that is withdrawn in maintenance is not Ready, and answers.
        if ($pod.Ready -or $answer) { $serving = $true }
        $unready = if (-not $pod.Ready) { ', not Ready' }
        Write-Host "pod/$($pod.Name): $(if ($shown) { $shown } else { "cannot be asked: $trouble" })$unready"
        if (-not $pod.Ready) { continue }
        if ($kind -eq 'config') {
            if ($mode -eq 'neither') {
                continue
            } elseif (-not $shown) {
                Write-Wrong "pod/$($pod.Name) should tell in which mode it is"
            } elseif ($shown -ne $mode) {
                Write-Wrong "pod/$($pod.Name) should be in mode ${mode}: it may need up to 90 s to follow"
            }
        } elseif ($shown -eq 'normal') {
            # Whether they may be asked is a network policy's business.
            Write-Wrong "pod/$($pod.Name) should show the page: the page pods stand by in maintenance"
        }
    }
    if (-not $serving) { Write-Wrong 'no user pod is Ready, and none answers: nobody would get the page' }
}

function Show-Application {
    foreach ($service in $application) {
        Measure-Ready $service
        if ($ready -gt 0) { Write-Host "service/${service}: $ready ready endpoints" } else { Write-Wrong $lack }
    }
}

# $Wanted is maintenance, normal, neither, of which nothing can be wanted, or any: whatever is no error. $Named is the
# address as it was named at the command line, if it was.
function Show-Door([string] $Who, [string] $Address, [string] $Header, [string] $Wanted, [string] $Named) {
    if (-not $Address) { Write-Host "${Who}: not asked: $noDoor"; return }
    if (-not $curl) { Write-Host "${Who}: $Address was not asked: curl is not on PATH"; return }
    $answer = Get-DoorAnswer $Who $Address $Header
    if (-not $answer) {
        Write-Host "${Who}: $door cannot be reached from here: $trouble"
        # The chart's own host may mean nothing here; one that is named should be there.
        if ($Named) { Write-Wrong "$door, which was named, should answer" }
        return
    }
    $marked = if ($answer.Marker) { ' with our marker' }
    Write-Host "${Who}: $door answers $($answer.Status)$marked"
    if ($Wanted -eq 'neither') { return }
    if ($Wanted -eq 'maintenance') {
        if ($answer.Status -eq 503 -and $answer.Marker -eq 'on') { return }
        if ($answer.Status -eq 503) { Write-Wrong "that 503 is not ours: users see the router's page"; return }
    } elseif ($answer.Status -gt 0 -and $answer.Status -lt 500) {
        return
    }
    Write-Wrong "users and admins should get something else in mode $mode"
}

# The caller's parameters are those of release.ps1.
function Show-Status {
    $script:bad = $false
    $script:mode = 'normal'
    $named, $adminNamed = $Url, $AdminUrl
    Initialize-Release 'status.ps1'
    Find-Switched
    Read-Switched
    Read-Mode
    if ($tracked) { Write-Host "synced by Argo CD: $(($tracked -split ':')[0])" }
    Show-Pods
    if ($kind -ne 'config') { Show-Application }
    Find-FrontDoor
    Show-Door 'front door' $Url $HostHeader $mode $named
    if ($kind -ne 'config') {
        Find-AdminDoor
        Show-Door "admins' way in" $AdminUrl $AdminHostHeader 'any' $adminNamed
        Write-OtherWays
    }
    if ($bad) { exit 1 }
}
