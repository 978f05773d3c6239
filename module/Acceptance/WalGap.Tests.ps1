# Acceptance test, to copy into a pipeline of yours: no WAL is missing that a recovery from a backup in the archive would need.
#   $data = @{ Setting = @{ ConfigFile = '/etc/wal-g.yaml' } }
#   Invoke-Pester -CI -Container (New-PesterContainer -Path WalGap.Tests.ps1 -Data $data)
param(
    # Parameters that say which archive: ConfigFile, Configuration or Setting. None for the environment.
    [hashtable] $Setting = @{}
)

Describe 'The archived WAL' {
    BeforeAll {
        Import-Module WalRus
        $timelines = @(Measure-PgRecovery @Setting -ErrorAction Stop)
    }

    It 'has no gap on any timeline that a backup leads to' {
        $timelines | Should -Not -BeNullOrEmpty -Because 'there must be something to recover'
        $missing = $timelines | ForEach-Object { foreach ($gap in $_.Gap) { "timeline $($_.Timeline): $gap" } }
        $missing -join '; ' | Should -BeNullOrEmpty
    }
}
