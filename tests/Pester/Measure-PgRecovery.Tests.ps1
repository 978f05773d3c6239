BeforeDiscovery {
    . $PSScriptRoot/Common.ps1
    $missing = -not (Get-Command Measure-PgRecovery -ErrorAction Ignore) -or -not (Find-PostgresBin)
    $stores = @(@{ Store = 'a folder' }, @{ Store = 'a bucket' })
}

BeforeAll {
    . $PSScriptRoot/Common.ps1
}

AfterAll {
    Stop-S3
}

Describe 'Measure-PgRecovery in <Store>' -ForEach $stores -Skip:$missing {
    BeforeAll {
        $server = New-PostgresFolder
        $setting = $Store -eq 'a bucket' ? (New-S3Archive) : @{ WALG_FILE_PREFIX = $server.Archive }
        if ($null -eq $setting) { return }
        $setting.GetEnumerator() | ForEach-Object { $server.Environment[$_.Key] = $_.Value }
        # The executable starts faster; where it is not built the module archives.
        Initialize-Postgres $server ((Test-Path $Executable) ? "$Executable wal-push `"%p`"" :
            "$Pwsh -NoProfile -NonInteractive -Command `"Import-Module '$ModulePath'; Push-WalSegment '%p'`"")
        Start-Postgres $server
        Invoke-Sql $server 'CREATE TABLE t AS SELECT generate_series(1, 5000) AS n' | Out-Null
        $backup = Invoke-AsServer $server "New-BaseBackup '$($server.Data)'"
        $middle = Invoke-Sql $server 'SELECT pg_walfile_name(pg_switch_wal()) FROM (SELECT pg_logical_emit_message(false, $$x$$, $$y$$)) AS m'
        Invoke-Sql $server 'INSERT INTO t VALUES (-1)' | Out-Null
        $moment = [DateTimeOffset] (Invoke-Sql $server 'SELECT clock_timestamp()')
        $last = Invoke-Sql $server 'SELECT pg_walfile_name(pg_switch_wal())'
        Wait-Sql $server "SELECT coalesce(last_archived_wal >= '$last', false) FROM pg_stat_archiver"
    }

    AfterAll {
        Remove-Postgres $server
    }

    BeforeEach {
        if ($null -eq $setting) { Set-ItResult -Skipped -Because $NoS3 }
    }

    It 'says between which times the archive can be recovered, and what would be lost' {
        $measured = Measure-PgRecovery -Setting $setting
        (Get-Command Measure-PgRecovery).OutputType.Type | Should -Be $measured.GetType()
        $measured.Timeline, $measured.IsNewest, $measured.BackupCount, $measured.BackupName | Should -Be 1, $true, 1, $backup.Name
        [Math]::Abs(($measured.OldestTime - $backup.FinishTime).TotalSeconds) | Should -BeLessThan 1
        ($moment - $measured.NewestTime).TotalSeconds | Should -BeGreaterOrEqual 0
        ($moment - $measured.NewestTime).TotalSeconds | Should -BeLessThan 5
        $measured.NewestSegment | Should -BeExactly $last
        [Math]::Abs(([DateTimeOffset]::Now - $measured.NewestTime - $measured.Rpo).TotalSeconds) | Should -BeLessThan 5
        $measured.Gap | Should -BeNullOrEmpty
    }

    It 'estimates how long a recovery takes, or samples it' {
        $estimated = Measure-PgRecovery -Setting $setting
        $estimated.Rto | Should -BeGreaterThan ([timespan]::Zero)
        $estimated.RtoBasis | Should -Match "^estimated: $($backup.Name) took"
        $sampled = Measure-PgRecovery -Sample -Setting $setting
        $sampled.RtoBasis | Should -Match "^measured: \d+ MiB of $($backup.Name) in"
        $sampled.BackupBytesPerSecond | Should -BeGreaterThan 1MB
        $sampled.Rto.TotalSeconds | Should -BeLessThan 60
        $sampled.WalSegmentCount | Should -BeGreaterOrEqual 2
    }

    It 'leads to a recovery to the end of a timeline' {
        $to = Join-Path $TestDrive ([guid]::NewGuid().ToString('N')) 'data'
        $result = Measure-PgRecovery 1 -Setting $setting | Restore-PgBackup $to -RestoreCommand 'false' -Setting $setting
        $result.Name | Should -BeExactly $backup.Name
        $written = Get-Content (Join-Path $to 'postgresql.auto.conf') -Raw
        $written | Should -Match "recovery_target_timeline = '1'"
        $written | Should -Not -Match 'recovery_target_lsn'
        Measure-PgRecovery 2 -Setting $setting | Should -BeNullOrEmpty
    }

    It 'shows a gap, and what can still be reached' {
        if ($Store -ne 'a folder') { Set-ItResult -Skipped -Because 'objects of a bucket are not moved by hand' }
        $copy = @{ WALG_FILE_PREFIX = (Join-Path $TestDrive 'copy') }
        Copy-Item $server.Archive $copy.WALG_FILE_PREFIX -Recurse
        Remove-Item (Join-Path $copy.WALG_FILE_PREFIX 'wal_005' "$middle*")
        $measured = Measure-PgRecovery -Setting $copy
        "$($measured.Gap)" | Should -BeExactly $middle
        $measured.Gap[0].Count | Should -Be 1
        $measured.NewestTime | Should -BeLessThan $moment
        $measured | Out-String -Width 160 | Should -Match $middle
        $point = Find-PgRecoveryPoint -From $measured.NewestTime -Type Commit -Setting $copy | Select-Object -Last 1
        $point.IsReachable | Should -BeFalse
        $point.Obstacle | Should -BeExactly "$middle is missing or broken"
        { $point | Restore-PgBackup (Join-Path $TestDrive 'none') -RestoreCommand 'false' -Setting $copy -ErrorAction Stop } |
            Should -Throw -ErrorId 'RecoveryWalMissing,*'
    }

    It 'survives a job, prints as a table and exports clean' {
        $measured = Measure-PgRecovery -Setting $setting
        $file = Join-Path $TestDrive 'measured.xml'
        $measured | Export-Clixml $file
        (Import-Clixml $file).Rpo | Should -Be $measured.Rpo
        $measured | Out-String -Width 120 | Should -Match 'TL +Oldest +Newest +Rpo +Rto +Backups +Gaps'
        ($measured | ConvertTo-Json | ConvertFrom-Json).NewestSegment | Should -BeExactly $last
    }

    It 'says nothing of an empty archive, and reports one that is not there' {
        Measure-PgRecovery -Setting (New-FolderArchive) | Should -BeNullOrEmpty
        { Measure-PgRecovery -Setting @{ WALG_FILE_PREFIX = (Join-Path $TestDrive 'nowhere') } } |
            Should -Throw -ErrorId 'StoreNotFound,WalRus.Cmdlets.MeasurePgRecoveryCommand'
    }
}
