BeforeDiscovery {
    . $PSScriptRoot/Common.ps1
    $missing = -not (Get-Command New-BaseBackup, Restore-PgBackup -ErrorAction Ignore) -or -not (Find-PostgresBin)
}

BeforeAll {
    . $PSScriptRoot/Common.ps1
}

Describe 'Restore-PgBackup' -Skip:$missing {
    BeforeAll {
        $server = New-PostgresFolder
        $setting = @{ WALG_FILE_PREFIX = $server.Archive }
        $server.Environment.WALG_FILE_PREFIX = $server.Archive
        Initialize-Postgres $server "$Pwsh -NoProfile -NonInteractive -Command `"Import-Module '$ModulePath'; Push-WalSegment '%p'`""
        Start-Postgres $server
        Invoke-Sql $server 'CREATE TABLE t AS SELECT generate_series(1, 5000) AS n' | Out-Null
        $backup = Invoke-AsServer $server "New-BaseBackup '$($server.Data)'"
        Start-Sleep -Milliseconds 1100
        $moment = [DateTimeOffset]::Now
        Invoke-Sql $server "INSERT INTO t VALUES (-1); SELECT pg_create_restore_point('here')" | Out-Null
        $last = Invoke-Sql $server 'SELECT pg_walfile_name(pg_switch_wal())'
        Wait-Sql $server "SELECT coalesce(last_archived_wal >= '$last', false) FROM pg_stat_archiver"
    }

    AfterAll {
        Remove-Postgres $server
    }

    BeforeEach {
        $to = Join-Path $TestDrive ([guid]::NewGuid().ToString('N')) 'data'
    }

    It 'restores the newest backup, with recovery settings, and says what it did' {
        $result = Restore-PgBackup $to -Setting $setting
        (Get-Command Restore-PgBackup).OutputType.Type | Should -Be $result.GetType()
        "$($result.Name)" | Should -BeExactly $backup.Name
        $result.DataDirectory | Should -BeExactly $to
        $result.Bytes | Should -BeGreaterThan 1MB
        $result.FileCount | Should -BeGreaterThan 100
        Join-Path $to 'PG_VERSION' | Should -Exist
        Join-Path $to 'backup_label' | Should -Exist
        Join-Path $to 'recovery.signal' | Should -Exist
        Get-Content (Join-Path $to 'postgresql.auto.conf') -Raw | Should -Match "(?m)^restore_command = "
        $result | Out-String | Should -Match 'RecoverySettings'
    }

    It 'takes the backup from Get-BackupList' {
        $result = Get-BackupList -Latest -Setting $setting | Restore-PgBackup $to -NoRecovery -Setting $setting
        "$($result.Name)" | Should -BeExactly $backup.Name
        Join-Path $to 'recovery.signal' | Should -Not -Exist
    }

    It 'writes the target it was given: <Target>' -ForEach @(
        @{ Target = 'Name'; Given = { @{ TargetName = 'here' } }; Line = "recovery_target_name = 'here'" }
        @{ Target = 'Immediate'; Given = { @{ TargetImmediate = $true } }; Line = "recovery_target = 'immediate'" }
        @{ Target = 'Time'; Given = { @{ TargetTime = $moment } }; Line = "recovery_target_time = '" }
        @{ Target = 'Lsn'; Given = { @{ TargetLsn = $backup.FinishLsn } }; Line = "recovery_target_lsn = '" }
    ) {
        $target = & $Given
        $null = Restore-PgBackup $to @target -RestoreCommand 'false' -TargetAction Pause -Setting $setting
        $written = Get-Content (Join-Path $to 'postgresql.auto.conf') -Raw
        $written | Should -Match ([regex]::Escape($Line))
        $written | Should -Match "restore_command = 'false'"
        $written | Should -Match "recovery_target_action = 'pause'"
    }

    It 'prints the plan with -WhatIf and writes nothing' {
        $said = pwsh -NoProfile -Command "Import-Module '$ModulePath'; Restore-PgBackup '$to' -TargetName here -WhatIf -Setting @{ WALG_FILE_PREFIX = '$($server.Archive)' }" | Out-String
        $said | Should -Match $backup.Name
        $said | Should -Match 'recovery_target_name = '
        $to | Should -Not -Exist
    }

    It 'refuses a destination that is not empty, and leaves it as it was' {
        $null = New-Item -ItemType Directory $to
        Set-Content (Join-Path $to 'precious') 'x'
        Restore-PgBackup $to -Setting $setting -ErrorAction SilentlyContinue -ErrorVariable failed
        $failed[0].FullyQualifiedErrorId | Should -Match '^Destination(NotEmpty|Foreign),WalRus.Cmdlets.RestorePgBackupCommand'
        $failed[0].CategoryInfo.Category | Should -Be 'ResourceExists'
        Get-FileList $to | Should -Be 'precious'
        Restore-PgBackup $to -Force -Setting $setting -ErrorAction SilentlyContinue -ErrorVariable failed
        $failed[0].FullyQualifiedErrorId | Should -BeLike 'Destination*'
        Get-FileList $to | Should -Be 'precious'
    }

    It 'reports a backup that is not there' {
        Restore-PgBackup $to base_0000000100000000000000FF -Setting $setting -ErrorAction SilentlyContinue -ErrorVariable failed
        $failed[0].FullyQualifiedErrorId | Should -BeLike 'BackupNotFound,*'
        $to | Should -Not -Exist
    }

    It 'reports a target before every backup, and a bad LSN' {
        Restore-PgBackup $to -TargetTime '2000-01-01' -Setting $setting -ErrorAction SilentlyContinue -ErrorVariable failed
        $failed[0].FullyQualifiedErrorId | Should -Match '^(RecoveryTarget|Backup)'
        $failed[0].ErrorDetails.RecommendedAction | Should -Not -BeNullOrEmpty
        Restore-PgBackup $to -TargetLsn 'nonsense' -Setting $setting -ErrorAction SilentlyContinue -ErrorVariable failed
        $failed[0].CategoryInfo.Category | Should -Be 'InvalidArgument'
        $to | Should -Not -Exist
    }

    It 'completes backup names' {
        $env:WALG_FILE_PREFIX = $server.Archive
        try {
            $line = 'Restore-PgBackup /tmp/x -Name ba'
            (TabExpansion2 $line $line.Length).CompletionMatches.CompletionText | Should -Be $backup.Name
        }
        finally { Remove-Item env:WALG_FILE_PREFIX }
    }

    It 'completes timelines and actions' {
        $null = New-WalRusConfiguration $server.Archive -AsDefault
        try {
            $line = 'Restore-PgBackup /tmp/x -TargetTimeline '
            (TabExpansion2 $line $line.Length).CompletionMatches.CompletionText | Should -Be 'latest', 'current', '1'
            $line = 'Restore-PgBackup /tmp/x -TargetAction P'
            (TabExpansion2 $line $line.Length).CompletionMatches.CompletionText | Should -Be 'Pause', 'Promote'
        }
        finally { Clear-WalRusConfiguration }
    }

    It 'stops within a second at Ctrl+C and leaves no data directory that a server would start on' {
        $slow = $setting + @{ WALG_NETWORK_RATE_LIMIT = '200000' }
        $stopped = Stop-RunningPipeline { param($d, $s) Restore-PgBackup $d -Setting $s } $to, $slow -Started { Test-Path "$to/base" }
        $stopped.RanToItsEnd | Should -BeFalse
        $stopped.StopTime.TotalSeconds | Should -BeLessThan 1
        $stopped.Errors | Should -BeNullOrEmpty
        Join-Path $to 'global' 'pg_control' | Should -Not -Exist
    }

    It 'starts from the backup before a restore point, not from the newest, and refuses a name that is not archived' {
        $newer = Invoke-AsServer $server "New-BaseBackup '$($server.Data)'"
        $last = Invoke-Sql $server 'SELECT pg_walfile_name(pg_switch_wal())'
        Wait-Sql $server "SELECT coalesce(last_archived_wal >= '$last', false) FROM pg_stat_archiver"
        (Restore-PgBackup "$to-0" -RestoreCommand 'false' -Setting $setting).Name | Should -BeExactly $newer.Name
        (Restore-PgBackup $to -TargetName here -RestoreCommand 'false' -Setting $setting).Name | Should -BeExactly $backup.Name
        Restore-PgBackup "$to-1" -TargetName there -Setting $setting -ErrorAction SilentlyContinue -ErrorVariable failed
        $failed[0].FullyQualifiedErrorId | Should -BeLike 'RecoveryTargetUnreachable,*'
        $failed[0].ErrorDetails.RecommendedAction | Should -Match "'here' \(0/"
        "$to-1" | Should -Not -Exist
    }

    It 'restores a delta with its chain, shows the chain with -WhatIf, and drills it' {
        Invoke-Sql $server 'CREATE TABLE fresh AS SELECT generate_series(1, 100) AS n' | Out-Null
        $delta = Invoke-AsServer $server "New-BaseBackup '$($server.Data)' -Setting @{ WALG_DELTA_MAX_STEPS = '3' }"
        $delta.Name | Should -BeLike 'base_*_D_*'
        $last = Invoke-Sql $server 'SELECT pg_walfile_name(pg_switch_wal())'
        Wait-Sql $server "SELECT coalesce(last_archived_wal >= '$last', false) FROM pg_stat_archiver"
        $said = pwsh -NoProfile -Command "Import-Module '$ModulePath'; Restore-PgBackup '$to' -RestoreCommand false -WhatIf -Setting @{ WALG_FILE_PREFIX = '$($server.Archive)' }" | Out-String
        $said | Should -Match "Restore $($delta.Name) "
        $said | Should -Match "Read .* of base_[0-9A-F]{24} for [0-9]+ files"
        $to | Should -Not -Exist
        $result = Restore-PgBackup $to -RestoreCommand 'false' -Setting $setting
        $result.Name | Should -BeExactly $delta.Name
        $result.ChainLength | Should -Be 2
        $result.IncrementCount | Should -BeGreaterThan 0
        (Find-PgRecoveryPoint -Type Backup -Setting $setting | Where-Object Name -EQ $delta.Name).Obstacle | Should -BeNullOrEmpty
        (Measure-PgRecovery -Setting $setting).BackupName | Should -BeExactly $delta.Name
        $drill = Invoke-AsServer $server "Test-PgBackup -Setting @{ WALG_FILE_PREFIX = '$($server.Archive)' } -Sql 'SELECT count(*) FROM fresh' -Expected 100"
        $drill.Status | Should -BeExactly 'Passed'
        "$($drill.Name)" | Should -BeExactly $delta.Name
    }

    It 'restores single tables, and refuses those that the backup does not have' {
        $result = Restore-PgBackup $to -Table postgres/t -RestoreCommand 'false' -Setting $setting
        $result.FileCount | Should -BeGreaterThan 100
        Restore-PgBackup "$to-1" -Table postgres/nothing -Setting $setting -ErrorAction SilentlyContinue -ErrorVariable failed
        $failed[0].FullyQualifiedErrorId | Should -BeLike 'InvalidArgument,*'
        "$to-1" | Should -Not -Exist
    }
}
