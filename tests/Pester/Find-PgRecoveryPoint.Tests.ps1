BeforeDiscovery {
    . $PSScriptRoot/Common.ps1
    $missing = -not (Get-Command Find-PgRecoveryPoint -ErrorAction Ignore) -or -not (Find-PostgresBin)
    $stores = @(@{ Store = 'a folder' }, @{ Store = 'a bucket' })
}

BeforeAll {
    . $PSScriptRoot/Common.ps1

    function Get-Fingerprint($Server) {
        Invoke-Sql $Server "SELECT count(*) || ' ' || md5(string_agg(t::text, '' ORDER BY t::text)) FROM t"
    }
}

AfterAll {
    Stop-S3
}

Describe 'Find-PgRecoveryPoint in <Store>' -ForEach $stores -Skip:$missing {
    BeforeAll {
        $clusters = [Collections.Generic.List[object]]::new()
        $server = New-PostgresFolder
        $clusters.Add($server)
        $setting = $Store -eq 'a bucket' ? (New-S3Archive) : @{ WALG_FILE_PREFIX = $server.Archive }
        if ($null -eq $setting) { return }
        $setting.GetEnumerator() | ForEach-Object { $server.Environment[$_.Key] = $_.Value }
        # The executable starts faster; where it is not built the module archives.
        Initialize-Postgres $server ((Test-Path $Executable) ? "$Executable wal-push `"%p`"" :
            "$Pwsh -NoProfile -NonInteractive -Command `"Import-Module '$ModulePath'; Push-WalSegment '%p'`"")
        Start-Postgres $server
        Invoke-Sql $server 'CREATE TABLE t AS SELECT generate_series(1, 5000) AS n' | Out-Null
        $backup = Invoke-AsServer $server "New-BaseBackup '$($server.Data)'"
        Invoke-Sql $server 'INSERT INTO t VALUES (-1)' | Out-Null
        $first = Invoke-Sql $server "SELECT pg_create_restore_point('the first')"
        Invoke-Sql $server 'SELECT pg_switch_wal()' | Out-Null
        # What comes next lies closer together than to this, on any machine.
        Start-Sleep -Seconds 3
        $xid = [uint] (Invoke-Sql $server 'BEGIN; INSERT INTO t VALUES (-2); SELECT txid_current(); COMMIT')
        $expected = Get-Fingerprint $server
        $moment = [DateTimeOffset] (Invoke-Sql $server 'SELECT clock_timestamp()')
        $second = Invoke-Sql $server "SELECT pg_create_restore_point('the second')"
        Invoke-Sql $server 'DELETE FROM t WHERE n > 10' | Out-Null
        $last = Invoke-Sql $server 'SELECT pg_walfile_name(pg_switch_wal())'
        Wait-Sql $server "SELECT coalesce(last_archived_wal >= '$last', false) FROM pg_stat_archiver"
    }

    AfterAll {
        $clusters | ForEach-Object { Remove-Postgres $_ }
    }

    BeforeEach {
        if ($null -eq $setting) { Set-ItResult -Skipped -Because $NoS3 }
        $to = Join-Path $TestDrive ([guid]::NewGuid().ToString('N')) 'data'
    }

    It 'lists backups and restore points in the order of the WAL' {
        $points = Find-PgRecoveryPoint -Setting $setting
        $points.Kind | Should -Be 'Backup', 'RestorePoint', 'RestorePoint'
        $points.Name | Should -Be $backup.Name, 'the first', 'the second'
        $points.BackupName | Should -Be (@($backup.Name) * 3)
        $points.IsReachable | Should -Be $true, $true, $true
        $points[1..2].EndLsn | Should -Be $first, $second
        (Get-Command Find-PgRecoveryPoint).OutputType.Type | Should -Be $points[0].GetType()
        $points.Timeline | Should -Be 1, 1, 1
        $points[2].Time | Should -BeOfType DateTimeOffset
        [Math]::Abs(($points[2].Time - $moment).TotalSeconds) | Should -BeLessThan 5
    }

    It 'finds what is nearest to a time' {
        $points = Find-PgRecoveryPoint $moment -First 3 -Type Commit, RestorePoint -Setting $setting
        $points.Kind | Should -Be 'Commit', 'RestorePoint', 'Commit'
        $points[0].Xid, $points[1].Name | Should -Be $xid, 'the second'
        Find-PgRecoveryPoint $moment.AddDays(-10) -Setting $setting | Should -BeNullOrEmpty
        (Find-PgRecoveryPoint $moment.AddDays(-10) -Window '11.00:00' -First 1 -Type Commit -Setting $setting).Kind | Should -Be 'Commit'
    }

    It 'finds what lies in a range, and only so many' {
        $points = @(Find-PgRecoveryPoint -From $moment.AddHours(-1) -Setting $setting)
        $points.Kind | Should -Contain 'SegmentEnd'
        $points.Kind | Should -Contain 'Commit'
        $points.Kind | Should -Not -Contain 'Abort'
        @(Find-PgRecoveryPoint -From $moment -Type Commit -Setting $setting).Count | Should -Be 1
        @(Find-PgRecoveryPoint -To $moment.AddHours(-1) -Setting $setting) | Should -BeNullOrEmpty
        @(Find-PgRecoveryPoint -From $moment.AddHours(-1) -First 3 -Setting $setting).Lsn | Should -Be $points[0..2].Lsn
        $failed = $null
        (Find-PgRecoveryPoint -From $moment.AddHours(-1) -Setting $setting -ErrorVariable failed | Select-Object -First 1).Lsn | Should -Be $points[0].Lsn
        $failed | Should -BeNullOrEmpty
    }

    It 'finds a name, a transaction and a position' {
        (Find-PgRecoveryPoint -Name '*second' -Setting $setting).Name | Should -BeExactly 'the second'
        @(Find-PgRecoveryPoint -Name 'the *', 'other' -Setting $setting).Count | Should -Be 2
        Find-PgRecoveryPoint -Name 'THE SECOND' -Setting $setting | Should -BeNullOrEmpty
        $point = Find-PgRecoveryPoint -Xid $xid -Setting $setting
        $point.Kind, $point.Xid, $point.TargetTimeline | Should -Be 'Commit', $xid, '1'
        Find-PgRecoveryPoint -Xid 4000000 -Setting $setting | Should -BeNullOrEmpty
        (Find-PgRecoveryPoint -Lsn $point.Lsn -First 1 -Setting $setting).Xid | Should -Be $xid
        Find-PgRecoveryPoint -Xid $xid -Timeline 7 -Setting $setting | Should -BeNullOrEmpty
    }

    It 'leads to what was there then: <How>' -ForEach @(
        @{ How = 'a restore point'; Find = { Find-PgRecoveryPoint -Name 'the second' -Setting $setting } }
        @{ How = 'a commit'; Find = { Find-PgRecoveryPoint -Xid $xid -Setting $setting } }
    ) {
        if ($Store -eq 'a bucket' -and $How -eq 'a commit') { Set-ItResult -Skipped -Because 'a folder shows it' }
        $point = & $Find
        $restored = New-PostgresFolder
        $clusters.Add($restored)
        $setting.GetEnumerator() | ForEach-Object { $restored.Environment[$_.Key] = $_.Value }
        $null = $point | Restore-PgBackup $restored.Data -Setting $setting -WarningAction SilentlyContinue
        Get-Content (Join-Path $restored.Data 'postgresql.auto.conf') -Raw | Should -Match "recovery_target_lsn = '$($point.Lsn)'"
        Grant-ToPostgres $restored.Folder
        Set-PostgresConfiguration $restored ''
        Start-Postgres $restored
        Wait-Sql $restored 'SELECT NOT pg_is_in_recovery()'
        Get-Fingerprint $restored | Should -BeExactly $expected
    }

    It 'goes to Restore-PgBackup from a file, and a backup''s end from itself' {
        $file = Join-Path $TestDrive 'point.xml'
        Find-PgRecoveryPoint -Name 'the second' -Setting $setting | Export-Clixml $file
        $null = Import-Clixml $file | Restore-PgBackup $to -RestoreCommand 'false' -Setting $setting
        Get-Content (Join-Path $to 'postgresql.auto.conf') -Raw | Should -Match "recovery_target_lsn = '.+'\nrecovery_target_action = 'promote'\nrecovery_target_timeline = '1'"
        Find-PgRecoveryPoint -Type Backup -Setting $setting | Restore-PgBackup "$to-2" -RestoreCommand 'false' -Setting $setting | ForEach-Object Name |
            Should -BeExactly $backup.Name
        Get-Content (Join-Path "$to-2" 'postgresql.auto.conf') -Raw | Should -Match "recovery_target = 'immediate'"
    }

    It 'prints as a table and exports clean' {
        $points = Find-PgRecoveryPoint -Setting $setting
        $table = $points | Out-String -Width 80
        $table | Should -Match 'Time +Kind +TL +Lsn +Name +Reachable'
        $table | Should -Match 'the second +yes'
        $row = ($points | ConvertTo-Csv | ConvertFrom-Csv)[2]
        $row.Kind, $row.Name, $row.IsReachable | Should -Be 'RestorePoint', 'the second', 'True'
        ($points[2] | ConvertTo-Json | ConvertFrom-Json).Lsn | Should -BeExactly $points[2].Lsn
    }

    It 'works in other runspaces' {
        $module = $ModulePath
        $found = 1..3 | ForEach-Object -Parallel { Import-Module $using:module; (Find-PgRecoveryPoint -Xid $using:xid -Setting $using:setting).Lsn }
        $found | Sort-Object -Unique | Should -HaveCount 1
    }

    It 'refuses what makes no sense, and an archive that is not there, with an id' {
        { Find-PgRecoveryPoint -Lsn nonsense -Setting $setting } | Should -Throw -ErrorId 'ParameterArgumentValidationError,*'
        { Find-PgRecoveryPoint -Setting @{ WALG_FILE_PREFIX = (Join-Path $TestDrive 'nowhere') } } |
            Should -Throw -ErrorId 'StoreNotFound,WalRus.Cmdlets.FindPgRecoveryPointCommand'
    }
}
