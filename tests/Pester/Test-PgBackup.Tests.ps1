BeforeDiscovery {
    . $PSScriptRoot/Common.ps1
    $missing = -not (Get-Command Test-PgBackup -ErrorAction Ignore) -or -not (Find-PostgresBin)
}

BeforeAll {
    . $PSScriptRoot/Common.ps1

    # The folder that drills work in: open to the server's account, as /tmp is.
    function New-WorkFolder {
        $folder = [IO.Directory]::CreateTempSubdirectory('walrus-work-').FullName
        if (-not $IsWindows) { & chmod 711 $folder }
        $folder
    }

    function Get-ProcessIn([string] $Folder) {
        Get-ChildItem /proc -Directory -ErrorAction Ignore | Where-Object Name -Match '^\d+$' | ForEach-Object {
            try { [IO.File]::ReadAllText("$($_.FullName)/cmdline").Replace([char] 0, ' ') } catch { }
        } | Where-Object { $_ -like "*$Folder*" }
    }

    function Copy-Archive([hashtable] $Setting) {
        $copy = Join-Path $TestDrive ([guid]::NewGuid().ToString('N').Substring(0, 8))
        Copy-Item $Setting.WALG_FILE_PREFIX $copy -Recurse
        @{ WALG_FILE_PREFIX = $copy }
    }

    function Set-FlippedContent([string] $Path) {
        $bytes = [IO.File]::ReadAllBytes($Path)
        # One alone may be the distance of a match within zeros, which changes nothing.
        $middle = [int] ($bytes.Length / 2)
        foreach ($i in $middle..($middle + 15)) { $bytes[$i] = $bytes[$i] -bxor 0x55 }
        [IO.File]::WriteAllBytes($Path, $bytes)
    }

    <# One request to the archive's bucket. #>
    function Invoke-S3([hashtable] $Setting, [string[]] $Options, [string] $Key) {
        $bucket = $Setting.WALG_S3_PREFIX.Replace('s3://', '')
        $answer = & curl --silent --show-error --fail --max-time 30 --noproxy '*' --aws-sigv4 aws:amz:us-east-1:s3 `
            --header 'x-amz-content-sha256: UNSIGNED-PAYLOAD' --user "$($Setting.AWS_ACCESS_KEY_ID):$($Setting.AWS_SECRET_ACCESS_KEY)" `
            @Options "$($Setting.AWS_ENDPOINT)/$bucket/$Key" 2>&1
        if ($LASTEXITCODE -ne 0) { throw "$Options ${Key}: $answer" }
    }

    <# Backs the server up into an archive and pushes all WAL it has archived so far. #>
    function New-DrillBackup([pscustomobject] $Server, [hashtable] $Setting) {
        $connection = @{ PGHOST = $Server.Folder; PGPORT = '5432'; PGUSER = 'postgres'; PGDATABASE = 'postgres' }
        $backup = New-BaseBackup $Server.Data -Setting ($Setting + $connection)
        Invoke-Sql $Server "SELECT pg_create_restore_point('after_$($backup.Name)')" | Out-Null
        $last = Invoke-Sql $Server 'SELECT pg_walfile_name(pg_switch_wal())'
        Wait-Sql $Server "SELECT coalesce(last_archived_wal >= '$last', false) FROM pg_stat_archiver"
        Get-ChildItem "$($Server.Folder)/wal" | Where-Object Name -NotLike '*.part' | Push-WalSegment -Setting $Setting | Out-Null
        $backup.Name
    }
}

Describe 'Test-PgBackup' -Skip:$missing {
    BeforeAll {
        $work = New-WorkFolder
        $history = Join-Path $TestDrive 'history.jsonl'
        $server = New-PostgresFolder
        $null = New-Item -ItemType Directory "$($server.Folder)/wal"
        Grant-ToPostgres "$($server.Folder)/wal"
        Initialize-Postgres $server "cp %p $($server.Folder)/wal/%f.part && mv $($server.Folder)/wal/%f.part $($server.Folder)/wal/%f"
        Start-Postgres $server
        Invoke-Sql $server "CREATE TABLE t AS SELECT n AS id, repeat('t', 200) AS filler FROM generate_series(1, 5000) AS n" | Out-Null
        $setting = New-FolderArchive
        $sound = New-DrillBackup $server $setting
        $bucket = New-S3Archive
        if ($bucket) { $stored = New-DrillBackup $server $bucket }
        $path = Invoke-Sql $server "CHECKPOINT; SELECT pg_relation_filepath('t')" | Select-Object -Last 1
        Invoke-Postgres $server pg_ctl @('-D', $server.Data, '-m', 'fast', '-w', 'stop') | Out-Null
        $file = [IO.File]::Open((Join-Path $server.Data $path), 'Open')
        $file.Position = 2 * 8192 + 4000
        $file.WriteByte(0x07)
        $file.Dispose()
        Start-Postgres $server
        $torn = New-DrillBackup $server $setting
        $drill = @{ WorkFolder = $work; HistoryPath = $history; PostgresBin = $server.Bin }
    }

    AfterAll {
        Remove-Postgres $server
        Remove-Item $work -Recurse -Force -ErrorAction Ignore
    }

    AfterEach {
        Get-ChildItem $work | Should -BeNullOrEmpty
        Get-ProcessIn $work | Should -BeNullOrEmpty
    }

    It 'proves a sound backup, says what each phase found, and remembers it' {
        $before = Get-FileList $setting.WALG_FILE_PREFIX
        $result = Test-PgBackup $sound @drill -TargetName "after_$sound" -CountRows -Setting $setting -Sql 'SELECT count(*) FROM t' -Expected 5000 -Assert { $_.Rows[0].count -eq 5000 }
        $result.Phases | Where-Object Outcome -NE 'Passed' | Should -BeNullOrEmpty
        $result.Status | Should -Be 'Passed'
        (Get-Command Test-PgBackup).OutputType.Type | Should -Be $result.GetType()
        $result.Name | Should -BeExactly $sound
        $result.Queries[0].Value | Should -Be '5000'
        $result.RowCounts['postgres.public.t'] | Should -Be 5000
        $result.RestoredBytes | Should -BeGreaterThan 1MB
        $result.WalSegmentCount | Should -BeGreaterThan 0
        $result.RestoreDuration | Should -BeOfType timespan
        Get-FileList $setting.WALG_FILE_PREFIX | Should -Be $before
        $kept = Get-Content $history | ConvertFrom-Json
        $kept.backup | Should -Be $sound
        $kept.status | Should -Be 'Passed'
        $result | Out-String | Should -Match "Passed"
        $result.Phases | Out-String | Should -Match 'Checksum +Passed'
    }

    It 'takes backups from Get-BackupList and an earlier drill as the baseline, also one read back from JSON' {
        $first = Test-PgBackup $sound @drill -CountRows -SkipAmcheck -NoHistory -Setting $setting
        $again = $first | ConvertTo-Json -Depth 5 | ConvertFrom-Json
        $second = Get-BackupList $sound -Setting $setting | Test-PgBackup @drill -Baseline $again -SkipAmcheck -SkipChecksum -NoHistory -Setting $setting
        ($second.Phases | Where-Object Name -EQ RowCount).Message | Should -BeLike '*as in the baseline'
        $third = Test-PgBackup $sound @drill -Baseline @{ 'postgres.public.t' = 5100; 'postgres.public.gone' = 1 } -TolerancePercent 5 -SkipAmcheck -SkipChecksum -NoHistory -Setting $setting -ErrorAction SilentlyContinue -ErrorVariable failed
        $third.FailedPhase | Should -Be 'RowCount'
        $third.Message | Should -BeLike '1 of 2 tables*gone is missing*'
        $failed[0].FullyQualifiedErrorId | Should -BeLike 'DrillFailed,*'
    }

    It 'fails on <What>, in phase <Phase>' -ForEach @(
        @{ What = 'a corrupted part'; Phase = 'Restore'; Break = { param($a) Set-FlippedContent (Get-ChildItem "$a/basebackups_005/$sound/tar_partitions/part_*")[0] } }
        @{ What = 'a missing part'; Phase = 'Restore'; Break = { param($a) Remove-Item (Get-ChildItem "$a/basebackups_005/$sound/tar_partitions/part_*")[0] } }
        @{ What = 'a missing WAL segment'; Phase = 'Plan'; Break = { param($a) Remove-Item "$a/wal_005/$($sound.Substring(5)).*" } }
    ) {
        $broken = Copy-Archive $setting
        & $Break $broken.WALG_FILE_PREFIX
        $result = Test-PgBackup $sound @drill -Setting $broken -ErrorAction SilentlyContinue -ErrorVariable failed
        $result.Status | Should -Be 'Failed'
        $result.FailedPhase | Should -Be $Phase
        $failed[0].FullyQualifiedErrorId | Should -BeExactly 'DrillFailed,WalRus.Cmdlets.TestPgBackupCommand'
        $failed[0].CategoryInfo.Category | Should -Be 'InvalidResult'
        $failed[0].ErrorDetails.RecommendedAction | Should -Not -BeNullOrEmpty
    }

    It 'fails on a page whose checksum is wrong' {
        $result = Test-PgBackup $torn @drill -Setting $setting -ErrorAction SilentlyContinue
        $result.Phases | Where-Object Outcome -EQ 'Failed' | ForEach-Object Name | Should -Be 'Structure', 'Checksum'
        (Get-Content $history | Select-Object -Last 1 | ConvertFrom-Json).failedPhase | Should -Be 'Structure'
    }

    It 'does the same on S3: a sound backup, then one without its WAL, with a corrupted part, without a part' {
        if (-not $bucket) { Set-ItResult -Skipped -Because $script:NoS3 }
        $options = $drill + @{ Setting = $bucket; SkipAmcheck = $true; NoHistory = $true; ErrorAction = 'SilentlyContinue' }
        (Test-PgBackup $stored @options).Status | Should -Be 'Passed'
        $segment = "wal_005/$($stored.Substring(5)).lz4"
        $file = Join-Path $TestDrive 'object'
        Invoke-S3 $bucket @('-o', $file) $segment
        Invoke-S3 $bucket @('-X', 'DELETE') $segment
        (Test-PgBackup $stored @options).FailedPhase | Should -Be 'Plan'
        Invoke-S3 $bucket @('-T', $file) $segment
        $part = "basebackups_005/$stored/tar_partitions/part_001.tar.lz4"
        Invoke-S3 $bucket @('-o', $file) $part
        Set-FlippedContent $file
        Invoke-S3 $bucket @('-T', $file) $part
        $corrupted = Test-PgBackup $stored @options -ErrorVariable failed
        $corrupted.FailedPhase | Should -Be 'Restore' -Because "$corrupted $failed $($corrupted.Phases.Message)"
        Invoke-S3 $bucket @('-X', 'DELETE') $part
        $last = Test-PgBackup $stored @options -ErrorVariable failed
        $last.FailedPhase | Should -Be 'Restore' -Because "$last $failed"
        $last.Message | Should -Match "has lost 'part_001.tar', which it lists"
    }

    It 'prints the plan with -WhatIf and does nothing' {
        $said = Invoke-Pwsh '-Command', "Import-Module '$ModulePath'; Test-PgBackup -WhatIf -WorkFolder '$work' -PostgresBin '$($server.Bin)' -HistoryPath '$TestDrive/none' -Setting @{ WALG_FILE_PREFIX = '$($setting.WALG_FILE_PREFIX)' }"
        $said.Errors | Should -BeNullOrEmpty
        $said.Output | Should -Match $torn
        $said.Output | Should -Match 'are needed there'
        $said.Output | Should -Match 'Phases: Plan, Restore, Recover'
        "$TestDrive/none" | Should -Not -Exist
    }

    It 'gives an error and no verdict where the backup is not to blame' {
        $answer = Test-PgBackup base_0000000100000000000000FF @drill -Setting $setting -ErrorAction SilentlyContinue -ErrorVariable failed
        $answer | Should -BeNullOrEmpty
        $failed[0].FullyQualifiedErrorId | Should -BeLike 'BackupNotFound,*'
        Test-PgBackup $sound -WorkFolder $work -PostgresBin $TestDrive -NoHistory -Setting $setting -ErrorAction SilentlyContinue -ErrorVariable failed
        $failed[0].FullyQualifiedErrorId | Should -BeLike 'FileNotFound,*'
        $failed[0].ErrorDetails.RecommendedAction | Should -Not -BeNullOrEmpty
        { Test-PgBackup $sound @drill -Sql 'SELECT 1' -Expected 1, 2 -Setting $setting } | Should -Throw -ErrorId 'InvalidArgument,*'
        { Test-PgBackup $sound @drill -Baseline 'nonsense' -Setting $setting } | Should -Throw -ErrorId 'InvalidArgument,*'
    }

    It 'stops at Ctrl+C and leaves no process and no folder' {
        $stopped = Stop-RunningPipeline {
            param($name, $options, $setting) Test-PgBackup $name @options -NoHistory -Setting $setting -Sql 'SELECT pg_sleep(300)'
        } $sound, $drill, $setting -Started { @(Get-ProcessIn $work) -like '*postgres*' } -TimeoutSeconds 60
        $stopped.RanToItsEnd | Should -BeFalse
        $stopped.Errors | Should -BeNullOrEmpty
        $stopped.Output | Should -BeNullOrEmpty
        # A second is the aim; removing a cluster's files takes as long as the disk needs.
        $stopped.StopTime.TotalSeconds | Should -BeLessThan 10
    }

    It 'works in ForEach-Object -Parallel' {
        $results = $sound, $sound | ForEach-Object -ThrottleLimit 2 -Parallel {
            Import-Module $using:ModulePath
            $options = $using:drill
            Test-PgBackup $_ @options -SkipAmcheck -SkipChecksum -Setting $using:setting
        }
        $results.Status | Should -Be 'Passed', 'Passed'
    }
}
