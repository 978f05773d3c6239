BeforeAll {
    . $PSScriptRoot/Common.ps1
    . $PSScriptRoot/Chain.ps1
    function Get-WalFile { @(Get-ChildItem (Join-Path $archive.WALG_FILE_PREFIX 'wal_005') -Name | ForEach-Object { $_.Substring(22, 2) }) }
}

Describe 'Clear-PgArchive' {
    BeforeEach {
        $archive = New-FolderArchive
        $full, $delta, $later = Add-Chain $archive
    }

    It 'deletes WAL older than every backup as garbage' {
        $gone = @(Clear-PgArchive -Garbage -Setting $archive -Confirm:$false)
        $gone.Key | Sort-Object | Should -Be 'wal_005/000000010000000000000001.lz4', 'wal_005/000000010000000000000002.lz4'
        $gone.Rule | Select-Object -Unique | Should -Be Obsolete
        (Get-WalFile)[0] | Should -Be '03'
        Clear-PgArchive -Garbage -Setting $archive -Confirm:$false | Should -BeNullOrEmpty
    }

    It 'deletes what is left of a broken-off backup once it is not young, and heeds -Scope' {
        $rest = New-Item -ItemType Directory -Force (Join-Path $archive.WALG_FILE_PREFIX 'basebackups_005/base_00000001000000000000000B/tar_partitions')
        $part = Join-Path $rest 'part_001.tar.lz4'
        Set-Content $part 'x'
        Clear-PgArchive -Garbage -Scope Backups -Setting $archive -Confirm:$false | Should -BeNullOrEmpty
        (Get-Item $part).LastWriteTime = (Get-Date).AddHours(-25)
        Clear-PgArchive -Garbage -Scope Archives -Setting $archive -WhatIf | Where-Object Kind -NE Wal | Should -BeNullOrEmpty
        (Clear-PgArchive -Garbage -Scope Backups -Setting $archive -Confirm:$false).Rule | Should -Be Leftover
    }

    It 'deletes everything before a backup' {
        $null = Clear-PgArchive -BeforeBackup $later -Setting $archive -Confirm:$false
        (Get-BackupList -Setting $archive).Name | Should -Be $later
        (Get-WalFile)[0] | Should -Be '09'
    }

    It 'goes back to a full backup with -FindFull, and has an error without' {
        { Clear-PgArchive -BeforeBackup $delta -Setting $archive -Confirm:$false -ErrorAction Stop } | Should -Throw -ExpectedMessage '*Consider FIND_FULL*'
        (Clear-PgArchive -BeforeBackup $delta -FindFull -Setting $archive -WhatIf).Count | Should -Be 2
    }

    It 'deletes everything before a time' {
        $time = (Get-BackupList $later -Setting $archive).Modified.AddMinutes(-1)
        $null = Clear-PgArchive -BeforeTime $time -Setting $archive -Confirm:$false
        (Get-BackupList -Setting $archive).Name | Should -Be $later
        { Clear-PgArchive -BeforeTime (Get-Date).AddDays(1) -Setting $archive -Confirm:$false -ErrorAction Stop } | Should -Throw -ErrorId 'BackupNotFound,*'
    }

    It 'keeps a permanent backup with the WAL it needs' {
        $null = Protect-PgBackup $full -Setting $archive
        $null = Clear-PgArchive -BeforeBackup $later -Setting $archive -Confirm:$false
        (Get-BackupList -Setting $archive).Name | Should -Be $full, $later
        Get-WalFile | Should -Be '03', '09', '0A', '0B', '0C'
    }

    It 'deletes the whole archive but what is not of it, and permanent backups only with -Force' {
        Set-Content (Join-Path $archive.WALG_FILE_PREFIX 'notes.txt') 'mine'
        $null = Protect-PgBackup $full -Setting $archive
        { Clear-PgArchive -Everything -Setting $archive -Confirm:$false -ErrorAction Stop } | Should -Throw -ErrorId 'BackupPermanent,*'
        $null = Clear-PgArchive -Everything -Force -Setting $archive -Confirm:$false
        Get-FileList $archive.WALG_FILE_PREFIX | Should -Be 'notes.txt'
    }
}
