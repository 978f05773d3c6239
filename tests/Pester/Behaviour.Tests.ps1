# What every cmdlet that works with an archive must do, whatever else it does. A cmdlet that is exported and not in the table fails.
BeforeDiscovery {
    . $PSScriptRoot/Common.ps1
    # Arguments for a call that would change something or wait for the store, were it let. D is a folder of the test's own.
    $calls = @{
        'Copy-PgBackup' = { @{ Name = 'base_000000010000000000000002'; Wal = 'None'; Destination = (New-Item -ItemType Directory "$D/target").FullName } }
        'Get-WalStorageItem' = { @{} }
        'Remove-WalStorageItem' = { @{ Key = 'basebackups_005'; Recurse = $true } }
        'Save-WalStorageItem' = { @{ Key = 'basebackups_005/base_000000010000000000000002_backup_stop_sentinel.json'; Destination = $D } }
        'Set-WalStorageItem' = { @{ Path = New-WalSegment $D; Key = 'other/' } }
        'Test-WalStorage' = { @{ ProbeSize = 1000 } }
        'Clear-PgArchive' = { @{ Everything = $true } }
        'Get-PgRetentionPlan' = { @{ Policy = @{ KeepLast = 1 } } }
        'Invoke-PgRetention' = { @{ Policy = @{ KeepLast = 1 } } }
        'Protect-PgBackup' = { @{ Name = 'base_000000010000000000000002' } }
        'Remove-PgBackup' = { @{ Name = 'base_000000010000000000000002' } }
        'Unprotect-PgBackup' = { @{ Name = 'base_000000010000000000000002' } }
        'Export-PgBackupReport' = { @{ Path = "$D/report.html"; HistoryPath = "$D/none.jsonl" } }
        'Find-PgRecoveryPoint' = { @{} }
        'Get-BackupList' = { @{} }
        'Get-WalTimeline' = { @{} }
        'Measure-PgRecovery' = { @{} }
        'New-BaseBackup' = { @{ DataDirectory = $D } }
        'Push-WalSegment' = { @{ Path = New-WalSegment $D } }
        'Receive-WalSegment' = { @{ DropSlot = $true } }
        'Repair-WalArchive' = { @{ Path = $D } }
        'Restore-PgBackup' = { @{ Destination = "$D/new"; TargetImmediate = $true } }
        'Restore-WalSegment' = { @{ Name = '000000010000000000000001'; Destination = "$D/000000010000000000000001" } }
        'Test-PgBackup' = { @{ NoHistory = $true; WorkFolder = $D } }
        'Test-WalArchive' = { @{ Deep = $true } }
        'Test-WalRusConfiguration' = { @{ Area = 'Store' } }
    }
    # These speak with no store; the daemon's have files of their own.
    $apart = 'New-PgRetentionPolicy', 'New-WalRusConfiguration', 'Get-WalRusConfiguration', 'Clear-WalRusConfiguration', 'Start-WalDaemon', 'Stop-WalDaemon', 'Get-WalDaemon'
    $cases = Get-Command -Module WalRus | Where-Object Name -NotIn $apart |
        ForEach-Object { @{ Command = $_.Name; Call = $calls[$_.Name]; CanTry = $_.Parameters.ContainsKey('WhatIf') } }
}

BeforeAll {
    . $PSScriptRoot/Common.ps1
}

Describe '<Command>' -ForEach $cases {
    BeforeEach {
        $Call | Should -Not -BeNullOrEmpty -Because "$Command needs an entry in the table of this file"
        $D = Join-Path $TestDrive ([guid]::NewGuid().ToString('N'))
        $null = New-Item -ItemType Directory $D
        $arguments = & $Call
        $quietly = $CanTry ? @{ Confirm = $false } : @{}
    }

    It 'reports a missing store with a stable id, a category and what to do, or as a finding' {
        $missing = @{ WALG_FILE_PREFIX = Join-Path $TestDrive 'missing'; PGHOST = '127.0.0.1'; PGPORT = '1' }
        $output = try { & $Command @arguments @quietly -Setting $missing -ErrorAction SilentlyContinue -ErrorVariable failed 3>$null }
        catch { $failed = @($_) }
        if ($Command -eq 'Test-WalRusConfiguration') { $output.Status | Should -Contain 'Failed'; return }
        $output | Should -BeNullOrEmpty
        $failed = @($failed)[-1]
        $failed.FullyQualifiedErrorId | Should -Match '^(StoreNotFound|PostgresUnreachable|DataDirectoryInvalid),WalRus\.Cmdlets\.'
        $failed.CategoryInfo.Category | Should -Not -Be 'NotSpecified'
        $failed.ErrorDetails.RecommendedAction | Should -Not -BeNullOrEmpty
    }

    It 'changes nothing with -WhatIf, in the store or here' {
        if (-not $CanTry) { Set-ItResult -Skipped -Because "$Command changes nothing" }
        $archive = New-FolderArchive
        Add-GoldenBackup $archive base_000000010000000000000002
        $before = @(Get-FileList $archive.WALG_FILE_PREFIX) + @(Get-FileList $D)
        $null = & $Command @arguments -Setting ($archive + @{ PGHOST = '127.0.0.1'; PGPORT = '1' }) -WhatIf -ErrorAction SilentlyContinue 3>$null
        @(Get-FileList $archive.WALG_FILE_PREFIX) + @(Get-FileList $D) | Should -Be $before
    }

    It 'stops within a second at Ctrl+C while a store does not answer' {
        $silent = [Net.Sockets.TcpListener]::new([Net.IPAddress]::Loopback, 0)
        $silent.Start()
        try {
            $port = $silent.LocalEndpoint.Port
            $setting = @{
                WALG_S3_PREFIX = 's3://b/x'; AWS_ENDPOINT = "http://127.0.0.1:$port"; AWS_REGION = 'x'; AWS_ACCESS_KEY_ID = 'x'; AWS_SECRET_ACCESS_KEY = 'x'
                PGHOST = '127.0.0.1'; PGPORT = "$port"; PGUSER = 'x'
            }
            Set-Content (Join-Path $D 'PG_VERSION') 15
            $stopped = Stop-RunningPipeline { param($c, $a, $s) & $c @a -Setting $s } $Command, $arguments, $setting -Started { $silent.Pending() }
            $stopped.RanToItsEnd | Should -BeFalse
            $stopped.State | Should -Be 'Stopped'
            $stopped.Errors | Should -BeNullOrEmpty
            $stopped.StopTime.TotalSeconds | Should -BeLessThan 1
        }
        finally { $silent.Stop() }
    }

    It 'works under strict mode in several runspaces at once, each with an error of its own' {
        $ids = 1..4 | ForEach-Object -ThrottleLimit 4 -Parallel {
            Set-StrictMode -Version Latest
            Import-Module $using:ModulePath
            $arguments, $quietly = $using:arguments, $using:quietly
            $missing = @{ WALG_FILE_PREFIX = '/walrus/missing'; PGHOST = '127.0.0.1'; PGPORT = '1' }
            try {
                $found = & $using:Command @arguments @quietly -Setting $missing -ErrorAction SilentlyContinue -ErrorVariable failed 3>$null
                if ($failed) { @($failed)[-1].FullyQualifiedErrorId } else { @($found)[0].Status }
            }
            catch { $_.FullyQualifiedErrorId }
        }
        @($ids).Count | Should -Be 4
        @($ids | Select-Object -Unique).Count | Should -Be 1
    }
}
