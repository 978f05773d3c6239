BeforeDiscovery {
    . $PSScriptRoot/Common.ps1
    $missing = -not (Get-Command New-BaseBackup -ErrorAction Ignore) -or -not (Find-PostgresBin)
}

BeforeAll {
    . $PSScriptRoot/Common.ps1
}

Describe 'New-BaseBackup' -Skip:$missing {
    BeforeAll {
        $server = New-Postgres
        $connection = @{ PGHOST = $server.Folder; PGPORT = '5432'; PGUSER = 'postgres'; PGDATABASE = 'postgres' }
        Start-Postgres $server
        Invoke-Sql $server 'CREATE TABLE t AS SELECT n, md5(n::text) FROM generate_series(1, 5000) AS n' | Out-Null
    }

    AfterAll {
        Remove-Postgres $server
    }

    BeforeEach {
        $archive = New-FolderArchive
        $setting = $archive + $connection
    }

    It 'emits the backup, as Get-BackupList then does' {
        $made = New-BaseBackup $server.Data -Setting $setting -WarningAction SilentlyContinue
        (Get-Command New-BaseBackup).OutputType.Type | Should -Be $made.GetType()
        $made.Name | Should -Match '^base_[0-9A-F]{24}$'
        $made.UncompressedSize | Should -BeGreaterThan 1MB
        $made.DataDirectory | Should -BeExactly $server.Data
        $listed = @(Get-BackupList -Setting $setting)
        $listed.Count | Should -Be 1
        $listed[0].GetType() | Should -Be $made.GetType()
        "$($listed[0].Name) $($listed[0].StartLsn) $($listed[0].FinishLsn) $($listed[0].CompressedSize)" |
            Should -Be "$($made.Name) $($made.StartLsn) $($made.FinishLsn) $($made.CompressedSize)"
    }

    It 'keeps user data and permanence' {
        $null = New-BaseBackup $server.Data -Permanent -UserData @{ ticket = 42; tags = 'a', 'b' } -Setting $setting -WarningAction SilentlyContinue
        $listed = Get-BackupList -Setting $setting
        $listed.IsPermanent | Should -BeTrue
        $listed.UserData.ticket | Should -Be 42
        $listed.UserData.tags | Should -Be 'a', 'b'
    }

    It 'takes the data directory by property name and verifies checksums' {
        $made = [pscustomobject] @{ DataDirectory = $server.Data } | New-BaseBackup -VerifyChecksum -Setting $setting -WarningAction SilentlyContinue
        $made.Name | Should -Match '^base_'
    }

    It 'has the server send its files when no data directory is given, and with -Remote' {
        foreach ($remote in @{}, @{ Remote = $true }) {
            $made = New-BaseBackup @remote -VerifyChecksum -Setting $setting -WarningAction SilentlyContinue
            $made.Name | Should -Match '^base_[0-9A-F]{24}$'
            $made.DataDirectory | Should -BeExactly $server.Data
            $folder = Join-Path $archive.WALG_FILE_PREFIX 'basebackups_005' "$($made.Name)" 'tar_partitions'
            (Get-ChildItem $folder).Name | ForEach-Object { $_ -replace '\.tar.*' } | Should -Be 'backup_manifest', 'part_001', 'pg_control'
        }
    }

    It 'makes a remote delta of a remote backup' {
        $deltas = $setting + @{ WALG_DELTA_MAX_STEPS = '3' }
        $full = New-BaseBackup -Remote -Setting $deltas -WarningAction SilentlyContinue
        $delta = New-BaseBackup -Remote -Setting $deltas -WarningAction SilentlyContinue
        $delta.DeltaFrom | Should -Be "$($full.Name)"
        $delta.UncompressedSize | Should -BeLessThan ($full.UncompressedSize / 4)
    }

    It 'takes either a data directory or -Remote' {
        { New-BaseBackup -DataDirectory $server.Data -Remote -Setting $setting } | Should -Throw -ErrorId 'AmbiguousParameterSet,*'
    }

    It 'changes nothing with -WhatIf' {
        New-BaseBackup -Remote -Setting $setting -WhatIf | Should -BeNullOrEmpty
        New-BaseBackup $server.Data -Setting $setting -WhatIf | Should -BeNullOrEmpty
        Get-FileList $archive.WALG_FILE_PREFIX | Should -BeNullOrEmpty
    }

    It 'makes deltas, says so with -WhatIf, and says why one is full instead' {
        $chain = $setting + @{ WALG_DELTA_MAX_STEPS = '3' }
        $full = New-BaseBackup $server.Data -Setting $chain -WarningAction SilentlyContinue
        $full.IsDelta | Should -BeFalse
        $full.Fallback | Should -BeNullOrEmpty
        New-BaseBackup $server.Data -Setting $chain -WhatIf | Should -BeNullOrEmpty
        @(Get-BackupList -Setting $setting).Count | Should -Be 1
        $delta = New-BaseBackup $server.Data -Setting $chain -WarningAction SilentlyContinue
        $delta.DeltaFrom | Should -BeExactly $full.Name
        $delta.Name | Should -Match '^base_[0-9A-F]{24}_D_[0-9A-F]{24}$'
        (New-BaseBackup $server.Data -Full -Permanent -Setting $chain -WarningAction SilentlyContinue).IsDelta | Should -BeFalse
        $instead = New-BaseBackup $server.Data -Setting $chain -WarningAction SilentlyContinue -WarningVariable warned
        $instead.IsDelta | Should -BeFalse
        $instead.Fallback | Should -Match 'permanent'
        @($warned | Where-Object { "$_" -match 'permanent' }).Count | Should -Be 1
    }

    It 'refuses a parent that does not exist' {
        $chain = $setting + @{ WALG_DELTA_MAX_STEPS = '3' }
        New-BaseBackup $server.Data -DeltaFrom 'base_0000000100000000000000FF' -Setting $chain -ErrorAction SilentlyContinue -ErrorVariable failed
        $failed[0].FullyQualifiedErrorId | Should -BeExactly 'BackupNotFound,WalRus.Cmdlets.NewBaseBackupCommand'
        @(Get-BackupList -Setting $setting).Count | Should -Be 0
    }

    It 'reports a server that does not answer' {
        $away = $archive + $connection
        $away.PGHOST = Join-Path $TestDrive 'no-such-socket'
        New-BaseBackup $server.Data -Setting $away -ErrorAction SilentlyContinue -ErrorVariable failed
        $failed[0].FullyQualifiedErrorId | Should -BeExactly 'PostgresUnreachable,WalRus.Cmdlets.NewBaseBackupCommand'
        $failed[0].CategoryInfo.Category | Should -Be 'ConnectionError'
        $failed[0].ErrorDetails.RecommendedAction | Should -Not -BeNullOrEmpty
    }

    It 'reports a folder that is not the server''s data directory and leaves nothing' {
        $other = Join-Path $TestDrive 'other'
        $null = New-Item -ItemType Directory $other -Force
        New-BaseBackup $other -Setting $setting -ErrorAction SilentlyContinue -ErrorVariable failed
        $failed[0].FullyQualifiedErrorId | Should -Match '^DataDirectory(Invalid|Mismatch),'
        @(Get-BackupList -Setting $setting).Count | Should -Be 0
    }

    It 'stops a remote backup within a second at Ctrl+C, and lists nothing' {
        $slow = $setting + @{ WALG_DISK_RATE_LIMIT = '1000000' }
        $stopped = Stop-RunningPipeline { param($s) New-BaseBackup -Remote -Setting $s } $slow -Started {
            Get-ChildItem $archive.WALG_FILE_PREFIX -Recurse -File -Force | Select-Object -First 1
        }
        $stopped.RanToItsEnd | Should -BeFalse -Because 'the rate limit makes it slow'
        $stopped.Errors | Should -BeNullOrEmpty
        $stopped.StopTime.TotalSeconds | Should -BeLessThan 1
        Get-BackupList -Setting $setting | Should -BeNullOrEmpty
        Wait-Sql $server 'SELECT count(*) = 0 FROM pg_stat_progress_basebackup'
    }

    It 'stops within a second at Ctrl+C, lists nothing, and the server is out of backup mode' {
        $slow = $setting + @{ WALG_DISK_RATE_LIMIT = '1000000' }
        $stopped = Stop-RunningPipeline { param($d, $s) New-BaseBackup $d -Setting $s } $server.Data, $slow -Started {
            Get-ChildItem $archive.WALG_FILE_PREFIX -Recurse -File -Force | Select-Object -First 1
        }
        $stopped.RanToItsEnd | Should -BeFalse -Because 'the disk rate limit makes it slow'
        $stopped.Errors | Should -BeNullOrEmpty
        $stopped.StopTime.TotalSeconds | Should -BeLessThan 1
        Get-BackupList -Setting $setting | Should -BeNullOrEmpty
        Get-FileList $archive.WALG_FILE_PREFIX | Should -BeNullOrEmpty
        Wait-Sql $server "SELECT count(*) = 0 FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()"
    }
}
