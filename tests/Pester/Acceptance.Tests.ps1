# The acceptance tests that ship with the module, run as a user would, against an archive that is good and then is not.
BeforeDiscovery {
    . $PSScriptRoot/Common.ps1
    $missing = -not (Get-Command Measure-PgRecovery, Test-PgBackup -ErrorAction Ignore) -or -not (Find-PostgresBin)
}

BeforeAll {
    . $PSScriptRoot/Common.ps1

    <# Runs one of them in another pwsh; gives how many tests failed. #>
    function Invoke-Acceptance([string] $Name, [hashtable] $Data = @{}) {
        $file = Join-Path $TestDrive 'data.xml'
        $Data + @{ Setting = @{ Setting = $setting } } | Export-Clixml $file
        $path = "$(Split-Path $ModuleFolder)$([IO.Path]::PathSeparator)$(Split-Path (Split-Path $ModuleFolder))$([IO.Path]::PathSeparator)$env:PSModulePath"
        $ran = Invoke-Pwsh '-Command', @"
`$data = Import-Clixml '$file'
`$result = Invoke-Pester -PassThru -Output None -Container (New-PesterContainer -Path '$ModuleFolder/Acceptance/$Name.Tests.ps1' -Data `$data)
'{0} {1}' -f `$result.PassedCount, `$result.FailedCount
"@ -Environment @{ PSModulePath = $path }
        $ran.Errors | Should -BeNullOrEmpty
        $passed, $failed = $ran.Output.Trim() -split ' '
        [int] $passed + [int] $failed | Should -BeGreaterThan 0
        [int] $failed
    }
}

Describe 'The acceptance tests' -Skip:$missing {
    BeforeAll {
        $server = New-PostgresFolder
        $server.Environment.WALG_FILE_PREFIX = $server.Archive
        $setting = @{ WALG_FILE_PREFIX = $server.Archive }
        Initialize-Postgres $server ((Test-Path $Executable) ? "$Executable wal-push `"%p`"" :
            "$Pwsh -NoProfile -NonInteractive -Command `"Import-Module '$ModulePath'; Push-WalSegment '%p'`"")
        Start-Postgres $server
        $null = Invoke-AsServer $server "New-BaseBackup '$($server.Data)'"
        foreach ($one in 1..3) {
            Invoke-Sql $server "CREATE TABLE t$one AS SELECT generate_series(1, 1000) AS n" | Out-Null
            $last = Invoke-Sql $server 'SELECT pg_walfile_name(pg_switch_wal())'
        }
        Wait-Sql $server "SELECT coalesce(last_archived_wal >= '$last', false) FROM pg_stat_archiver"
        $history = Join-Path $server.Folder 'drills.jsonl'
    }

    AfterAll {
        Remove-Postgres $server
    }

    It 'ask for a loss window and a backup age that are kept, and fail when they are not' {
        Invoke-Acceptance RecoveryPoint @{ MaxRpo = [timespan] '01:00:00' } | Should -Be 0
        Invoke-Acceptance RecoveryPoint @{ MaxRpo = [timespan] '00:00:00.001' } | Should -Be 1
        Invoke-Acceptance RecoveryPoint @{ MaxRpo = [timespan] '01:00:00'; MaxBackupAge = [timespan] '00:00:00.001' } | Should -Be 1
    }

    It 'ask for a drill that passed not long ago' {
        Invoke-Acceptance Drill @{ HistoryPath = $history } | Should -Be 2
        (Test-PgBackup -Setting $setting -HistoryPath $history).Status | Should -Be 'Passed'
        Invoke-Acceptance Drill @{ HistoryPath = $history } | Should -Be 0
        Invoke-Acceptance Drill @{ HistoryPath = $history; MaxDrillAge = [timespan] '00:00:00.001' } | Should -Be 1
    }

    It 'find a segment that is missing' {
        Invoke-Acceptance WalGap | Should -Be 0
        $segments = Get-ChildItem (Join-Path $server.Archive 'wal_005') -File | Where-Object Name -Match '^[0-9A-F]{24}\.\w+$' | Sort-Object Name
        Remove-Item $segments[-2].FullName
        Invoke-Acceptance WalGap | Should -Be 1
    }
}
