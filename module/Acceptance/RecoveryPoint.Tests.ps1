# Acceptance test, to copy into a pipeline of yours: not more than so much work would be lost now, and the last backup is not old.
#   $data = @{ MaxRpo = '00:10:00'; Setting = @{ ConfigFile = '/etc/wal-g.yaml' } }
#   Invoke-Pester -CI -Container (New-PesterContainer -Path RecoveryPoint.Tests.ps1 -Data $data)
param(
    # What may be lost at most: from the newest moment that can be reached to now.
    [timespan] $MaxRpo = '00:15:00',

    # How old the newest backup may be.
    [timespan] $MaxBackupAge = '1.06:00:00',

    # Parameters that say which archive: ConfigFile, Configuration or Setting. None for the environment.
    [hashtable] $Setting = @{}
)

Describe 'What would be lost now' {
    BeforeAll {
        Import-Module WalRus
    }

    It 'is less than <MaxRpo>' {
        $newest = Measure-PgRecovery @Setting -ErrorAction Stop | Where-Object IsNewest
        $newest | Should -Not -BeNullOrEmpty -Because 'there must be something to recover'
        $newest.Rpo | Should -Not -BeNullOrEmpty
        $newest.Rpo | Should -BeLessOrEqual $MaxRpo -Because "the newest moment that can be reached is $($newest.NewestTime)"
    }

    It 'is on top of a backup younger than <MaxBackupAge>' {
        $backup = Get-BackupList -Latest @Setting -ErrorAction Stop
        $backup | Should -Not -BeNullOrEmpty -Because 'there must be a backup'
        $backup.Age | Should -BeLessOrEqual $MaxBackupAge -Because "$backup is the newest"
    }
}
