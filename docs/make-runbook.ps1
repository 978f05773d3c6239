#!/usr/bin/env pwsh
#Requires -Version 7.4
<#
.SYNOPSIS
Writes docs/RUNBOOK.md: the runbook, done for real on a throwaway server, with what each command printed.
.DESCRIPTION
Needs what the Pester tests need: PostgreSQL's packages and the built module (./build.sh module; ./build.sh build for walrus).
#>
param([string] $Output = (Join-Path $PSScriptRoot 'RUNBOOK.md'))

. (Join-Path (Split-Path $PSScriptRoot) 'tests' 'Pester' 'Common.ps1')

$steps = @'
Step 'Configure' 'Settings are wal-g''s. One object holds them, here as the default of the session; the check says what is missing.' {
    New-WalRusConfiguration -ConfigFile $Archive/walg.json -FromEnvironment -AsDefault
    Test-WalRusConfiguration -Area Store, Clock, Postgres
}
Step 'Archive' 'archive_command in postgresql.conf is `walrus wal-push "%p"`; the server archives by itself. A file can be pushed by hand, too.' {
    Push-WalSegment $Data/pg_wal/$Segment
}
Step 'Back up' 'From the running server, checksums verified on the way.' {
    New-BaseBackup $Data -VerifyChecksum -UserData @{ ticket = 4711 }
}
Work
Step 'List' 'Objects: sizes and ages print as people read them, and sort as numbers.' {
    Get-BackupList
    Get-BackupList -Latest -Detail
}
Step 'How far a recovery reaches' 'What would be lost now, what is missing, how long it would take.' {
    Measure-PgRecovery
}
Step 'Find a recovery point' 'Somebody dropped a table. The archived WAL knows when.' {
    Find-PgRecoveryPoint -Type RestorePoint, Backup
    Find-PgRecoveryPoint -Around '$Accident' -First 5
}
Disaster
Step 'Look at the plan' 'Nothing is written with -WhatIf.' {
    Restore-PgBackup $New -TargetName before_the_accident -WhatIf
}
Step 'Restore' 'Into an empty directory; the recovery settings are written with it.' {
    Find-PgRecoveryPoint -Name before_the_accident | Restore-PgBackup $New
}
Recover
Step 'Look' 'The server on the restored directory has fetched its WAL and opened.' {
    & $Psql -Atc 'SELECT count(*) AS orders, pg_is_in_recovery() FROM orders'
}
Step 'Drill' 'The same, done every night to prove that it works: restored beside, recovered, examined, removed.' {
    $drill = Get-BackupList -Latest | Test-PgBackup -TargetEnd -Sql 'SELECT count(*) FROM customers' -Expected 5000 -HistoryPath $Archive/../drills.jsonl
    $drill
    $drill.Phases
}
Step 'Report' 'One self-contained page.' {
    Export-PgBackupReport $Archive/../report.html -HistoryPath $Archive/../drills.jsonl
}
'@

$server = New-PostgresFolder
$restored = New-PostgresFolder
try {
    $server.Environment.WALG_FILE_PREFIX = $server.Archive
    Set-Content (Join-Path $server.Archive 'walg.json') (@{ WALG_FILE_PREFIX = $server.Archive } | ConvertTo-Json)
    Initialize-Postgres $server "$Executable wal-push `"%p`""
    $null = New-Item -ItemType Directory (Join-Path $server.Folder 'bin')
    $child = Join-Path $server.Folder 'steps.ps1'
    Set-Content $child (@'
param($Steps, $ModulePath, $Data, $Archive, $New, $Bin, $Folder, $NewFolder, $Program)
$ErrorActionPreference = 'Stop'
$env:NO_COLOR = '1'
$PSStyle.OutputRendering = 'PlainText'
$ProgressPreference = 'SilentlyContinue'
$env:PATH = "$(Split-Path $Program)$([IO.Path]::PathSeparator)$env:PATH"
Import-Module $ModulePath
$Psql = "$Bin/psql"
function Sql($Text) { & $Psql -XAtqc $Text }
function Archived {
    $last = Sql 'SELECT pg_walfile_name(pg_switch_wal())'
    while ((Sql "SELECT coalesce(last_archived_wal >= '$last', false) FROM pg_stat_archiver") -ne 't') { Start-Sleep -Milliseconds 100 }
    $last
}
function Work {
    Sql 'CREATE TABLE orders AS SELECT n, md5(n::text) AS note FROM generate_series(1, 20000) AS n' | Out-Null
    Sql "SELECT pg_create_restore_point('before_the_accident')" | Out-Null
    Start-Sleep -Seconds 1
    $script:Accident = [DateTimeOffset]::Now.ToString('yyyy-MM-dd HH:mm:ss')
    Sql 'DROP TABLE orders' | Out-Null
    $null = Archived
}
function Disaster {
    & "$Bin/pg_ctl" -D $Data -m immediate stop | Out-Null
    Remove-Item $Data -Recurse -Force
}
function Recover {
    Add-Content $New/postgresql.auto.conf "unix_socket_directories = '$NewFolder'"
    & "$Bin/pg_ctl" -D $New -l "$NewFolder/server.log" -w start *> "$NewFolder/ctl.log"
    $env:PGHOST = $NewFolder
    while ((Sql 'SELECT pg_is_in_recovery()') -ne 'f') { Start-Sleep -Milliseconds 200 }
}
function Step($Title, $Why, [scriptblock] $Do) {
    "## $Title"; ''; $Why; ''; '```text'
    foreach ($line in $Do.ToString().Trim() -split "\r?\n" | ForEach-Object Trim) {
        # Printed and run with the names of this world put in, so that a reader sees what was run.
        foreach ($name in 'Archive', 'Data', 'New', 'Segment', 'Accident', 'Psql') { $line = $line.Replace("`$$name", (Get-Variable $name -ValueOnly)) }
        "PS> $line"
        # A list that wraps would break a path in two.
        $width = $line -like '*Restore-PgBackup*' ? 200 : 110
        . ([scriptblock]::Create($line)) | Out-String -Stream -Width $width | ForEach-Object TrimEnd | Where-Object Length
        ''
    }
    '```'; ''
}
$Segment = Archived
$Accident = ''
& ([scriptblock]::Create((Get-Content $Steps -Raw)))
& "$Bin/pg_ctl" -D $New -m immediate stop | Out-Null
'@)
    Set-Content (Join-Path $server.Folder 'list.ps1') $steps
    Start-Postgres $server
    Invoke-Sql $server 'CREATE TABLE customers AS SELECT n, md5(n::text) AS name FROM generate_series(1, 5000) AS n' | Out-Null
    $log = Join-Path $server.Folder 'transcript.txt'
    $arguments = @('-NoProfile', '-NonInteractive', '-File', $child, (Join-Path $server.Folder 'list.ps1'), $ModulePath, $server.Data, $server.Archive,
        $restored.Data, $server.Bin, $server.Folder, $restored.Folder, $Executable)
    Grant-ToPostgres $server.Folder
    $printed = Invoke-Postgres $server $Pwsh $arguments
}
finally {
    foreach ($one in $server, $restored) { Remove-Postgres $one }
}

$text = ($printed -join "`n").Replace($restored.Data, '/var/lib/postgresql/restored').Replace($server.Data, '/var/lib/postgresql/main').
    Replace($server.Archive, '/backup/cluster1').Replace($server.Folder, '/run/walrus').Replace($restored.Folder, '/run/restored').
    Replace($Executable, 'walrus').Replace('/backup/cluster1/../', '/var/lib/walrus/').Replace('/run/walrus/report', '/var/lib/walrus/report')
@"
# Runbook

What ``docs/make-runbook.ps1`` did and saw on $([datetime]::Now.ToString('yyyy-MM-dd')) with PostgreSQL $($server.Bin -replace '^.*/(\d+)/bin$', '$1') and pwsh $($PSVersionTable.PSVersion): each
command as it was run, each line as it was printed. Only the paths of the throwaway server were given names that read well.

$text
"@ | Set-Content $Output
"$Output written."
