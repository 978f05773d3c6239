@{
    RootModule           = 'WalRus.psm1'
    ModuleVersion        = '0.1.0'
    GUID                 = '5f6ad1a9-3a6b-4c1e-9f0e-7f2b1f3c2a54'
    Author               = 'The WalRus authors'
    CompanyName          = 'WalRus'
    Copyright            = 'The WalRus authors. Apache-2.0.'
    Description          = 'PostgreSQL backup, WAL archiving and point-in-time recovery. Reads and writes the archives of wal-g and WAL-RUS, with their settings, on a folder or S3.'
    PowerShellVersion    = '7.4'
    CompatiblePSEditions = @('Core')
    CmdletsToExport      = @(
        'Clear-PgArchive'
        'Clear-WalRusConfiguration'
        'Copy-PgBackup'
        'Export-PgBackupReport'
        'Find-PgRecoveryPoint'
        'Get-BackupList'
        'Get-PgRetentionPlan'
        'Get-WalDaemon'
        'Get-WalRusConfiguration'
        'Get-WalStorageItem'
        'Get-WalTimeline'
        'Invoke-PgRetention'
        'Measure-PgRecovery'
        'New-BaseBackup'
        'New-PgRetentionPolicy'
        'New-WalRusConfiguration'
        'Protect-PgBackup'
        'Push-WalSegment'
        'Receive-WalSegment'
        'Remove-PgBackup'
        'Remove-WalStorageItem'
        'Repair-WalArchive'
        'Restore-PgBackup'
        'Restore-WalSegment'
        'Save-WalStorageItem'
        'Set-WalStorageItem'
        'Start-WalDaemon'
        'Stop-WalDaemon'
        'Test-PgBackup'
        'Test-WalArchive'
        'Test-WalRusConfiguration'
        'Test-WalStorage'
        'Unprotect-PgBackup'
    )
    FunctionsToExport    = @()
    AliasesToExport      = @()
    VariablesToExport    = @()
    # Before views and types: the types name its converter.
    RequiredAssemblies   = @('bin/WalRus.PowerShell.Loader.dll')
    FormatsToProcess     = @(
        'Format/Backup.Format.ps1xml'
        'Format/Configuration.Format.ps1xml'
        'Format/Daemon.Format.ps1xml'
        'Format/Drill.Format.ps1xml'
        'Format/Recovery.Format.ps1xml'
        'Format/Restore.Format.ps1xml'
        'Format/Retention.Format.ps1xml'
        'Format/Storage.Format.ps1xml'
        'Format/Verification.Format.ps1xml'
        'Format/Wal.Format.ps1xml'
    )
    TypesToProcess       = @(
        'Types/Backup.Types.ps1xml'
        'Types/Configuration.Types.ps1xml'
        'Types/Daemon.Types.ps1xml'
        'Types/Drill.Types.ps1xml'
        'Types/Recovery.Types.ps1xml'
        'Types/Restore.Types.ps1xml'
        'Types/Retention.Types.ps1xml'
        'Types/Storage.Types.ps1xml'
        'Types/Time.Types.ps1xml'
        'Types/Verification.Types.ps1xml'
        'Types/Wal.Types.ps1xml'
    )
    PrivateData          = @{
        PSData = @{
            Tags         = @('PostgreSQL', 'Backup', 'WAL', 'PITR', 'wal-g', 'S3', 'Recovery', 'PSEdition_Core', 'Linux', 'Windows')
            LicenseUri   = 'https://www.apache.org/licenses/LICENSE-2.0'
            ReleaseNotes = 'CHANGELOG.md in the module''s folder says what is new.'
        }
    }
}
