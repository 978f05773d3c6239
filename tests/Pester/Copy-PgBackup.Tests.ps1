BeforeAll {
    . $PSScriptRoot/Common.ps1

    <# An archive that real wal-g wrote: a full backup and two deltas on it. #>
    function New-GoldenArchive {
        $folder = New-Item -ItemType Directory (Join-Path $TestDrive ([guid]::NewGuid().ToString('N')))
        tar -xpzf (Join-Path $RepositoryRoot tests Unit Golden archives walg-pg18-lzma-walmap archive.tar.gz) -C $folder
        @{ WALG_FILE_PREFIX = Join-Path $folder archive }
    }
}

AfterAll {
    Stop-S3
}

Describe 'Copy-PgBackup' {
    BeforeEach {
        $archive = New-GoldenArchive
        $target = New-FolderArchive
        $full = 'base_000000010000000000000003'
    }

    It 'emits one typed object a backup, parents first, and copies nothing twice' {
        $copied = @(Copy-PgBackup LATEST $target.WALG_FILE_PREFIX -Setting $archive)
        $copied[0].GetType().FullName | Should -BeExactly 'WalRus.Cmdlets.PgBackupCopy'
        (Get-Command Copy-PgBackup).OutputType.Type | Should -Be $copied[0].GetType()
        $copied.Count | Should -Be 3
        $copied[0].Name | Should -BeExactly $full
        $copied[0].BytesCopied | Should -BeGreaterThan 1MB
        $copied[0].Duration | Should -BeOfType ([timespan])
        (Get-BackupList -Setting $target).Name | Should -Be (Get-BackupList -Setting $archive).Name
        ($again = @(Copy-PgBackup LATEST $target.WALG_FILE_PREFIX -Setting $archive)).Count | Should -Be 3
        ($again.ObjectsCopied | Measure-Object -Sum).Sum | Should -Be 0
    }

    It 'takes backups from Get-BackupList, and all only when asked' {
        (Get-BackupList $full -Setting $archive | Copy-PgBackup -Destination $target.WALG_FILE_PREFIX -Setting $archive).Name | Should -Be $full
        @(Get-BackupList none* -Setting $archive | Copy-PgBackup -Destination $target.WALG_FILE_PREFIX -Setting $archive).Count | Should -Be 0
        @(Copy-PgBackup -All $target.WALG_FILE_PREFIX -Setting $archive -Wal History).Count | Should -Be 4
    }

    It 'says with -WhatIf what would be copied' {
        $text = pwsh -NoProfile -Command "Import-Module '$ModulePath'; Copy-PgBackup LATEST '$($target.WALG_FILE_PREFIX)' -Setting @{ WALG_FILE_PREFIX = '$($archive.WALG_FILE_PREFIX)' } -WhatIf" | Out-String
        $text | Should -Match "What if: .*$full \(parent\)"
        Get-FileList $target.WALG_FILE_PREFIX | Should -BeNullOrEmpty
    }

    It 'encodes anew with the settings of the target, by file, hashtable or object' {
        $file = Join-Path $TestDrive target.json
        $target | ConvertTo-Json | Set-Content $file
        $null = Copy-PgBackup $full -Setting $archive -DestinationConfigFile $file -DestinationSetting @{ WALG_COMPRESSION_METHOD = 'zstd' } -Recode
        @(Get-FileList $target.WALG_FILE_PREFIX) -match '\.zst$' | Should -Not -BeNullOrEmpty
        @(Get-FileList $target.WALG_FILE_PREFIX) -match '\.lzma$' | Should -BeNullOrEmpty
        $other = New-FolderArchive
        $null = Copy-PgBackup $full -Setting $archive -DestinationConfiguration (New-WalRusConfiguration $other.WALG_FILE_PREFIX) -Wal None
        (Get-BackupList -Setting $other).Name | Should -Be $full
    }

    It 'goes to S3 and back' {
        $bucket = New-S3Archive
        if (-not $bucket) { Set-ItResult -Skipped -Because $script:NoS3 }
        $null = Copy-PgBackup $full -Setting $archive -DestinationSetting $bucket
        $null = Copy-PgBackup $full "$($target.WALG_FILE_PREFIX)" -Setting $bucket
        (Get-BackupList -Setting $target).Name | Should -Be $full
        $null = Get-WalStorageItem -Setting $bucket | Remove-WalStorageItem -Recurse -Setting $bucket -Confirm:$false
    }

    It 'has stable errors for <Id>' -ForEach @(
        @{ Id = 'BackupNotFound'; Call = { Copy-PgBackup base_000000010000000000000099 $target.WALG_FILE_PREFIX -Setting $archive } }
        @{ Id = 'SettingMissing'; Call = { Copy-PgBackup LATEST -Setting $archive } }
        @{ Id = 'InvalidArgument'; Call = { Copy-PgBackup LATEST $archive.WALG_FILE_PREFIX -Setting $archive } }
        @{ Id = 'StoreNotFound'; Call = { Copy-PgBackup LATEST (Join-Path $TestDrive missing) -Setting $archive } }
    ) {
        { & $Call } | Should -Throw -ErrorId "$Id,WalRus.Cmdlets.CopyPgBackupCommand"
    }

    It 'refuses another backup of the name, and replaces it with -Force' {
        $null = Copy-PgBackup $full $target.WALG_FILE_PREFIX -Setting $archive
        $sentinel = Join-Path $target.WALG_FILE_PREFIX basebackups_005 "${full}_backup_stop_sentinel.json"
        Set-Content $sentinel '{"LSN":1}' -NoNewline
        { Copy-PgBackup $full $target.WALG_FILE_PREFIX -Setting $archive } | Should -Throw -ErrorId 'BackupExists,*'
        $null = Copy-PgBackup $full $target.WALG_FILE_PREFIX -Setting $archive -Force
        Get-Content $sentinel -Raw | Should -Not -Be '{"LSN":1}'
    }
}
