# Acceptance test, to copy into a pipeline of yours: a backup of this cluster was restored and proved (Test-PgBackup) not long ago.
#   $data = @{ MaxDrillAge = '7.00:00:00'; HistoryPath = '/var/lib/walrus/drills.jsonl'; Setting = @{ ConfigFile = '/etc/wal-g.yaml' } }
#   Invoke-Pester -CI -Container (New-PesterContainer -Path Drill.Tests.ps1 -Data $data)
param(
    # How long ago the last good drill may be.
    [timespan] $MaxDrillAge = '7.00:00:00',

    # What Test-PgBackup -HistoryPath was given; without it where it keeps its history for this account.
    [string] $HistoryPath = (Join-Path ([Environment]::GetFolderPath('LocalApplicationData')) 'WalRus' 'drill-history.jsonl'),

    # Parameters that say which archive: ConfigFile, Configuration or Setting. None for the environment.
    [hashtable] $Setting = @{}
)

Describe 'The restore drill' {
    BeforeAll {
        Import-Module WalRus
        $backup = Get-BackupList -Latest @Setting -ErrorAction Stop
        $drills = @(Get-Content -LiteralPath $HistoryPath -ErrorAction Ignore | ConvertFrom-Json |
                Where-Object systemIdentifier -EQ "$($backup.SystemIdentifier)" | Sort-Object startTime)
    }

    It 'passed within <MaxDrillAge>' {
        $passed = $drills | Where-Object status -EQ Passed | Select-Object -Last 1
        $passed | Should -Not -BeNullOrEmpty -Because "$HistoryPath must have a drill of this cluster that passed"
        [DateTimeOffset]::Now - [DateTimeOffset] $passed.startTime | Should -BeLessOrEqual $MaxDrillAge
    }

    It 'passed the last time it was done' {
        $drills | Should -Not -BeNullOrEmpty
        $drills[-1].status | Should -Be 'Passed' -Because "$($drills[-1].message)"
    }
}
