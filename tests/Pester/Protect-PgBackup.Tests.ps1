BeforeAll {
    . $PSScriptRoot/Common.ps1
    . $PSScriptRoot/Chain.ps1
}

Describe 'Protect-PgBackup' {
    BeforeEach {
        $archive = New-FolderArchive
        $full, $delta, $later = Add-Chain $archive
    }

    It 'marks a backup and what it is based on, and emits them as they are then' {
        $marked = @(Protect-PgBackup $delta -Setting $archive)
        $marked.Name | Should -Be $full, $delta
        $marked.IsPermanent | Should -Be $true, $true
        (Get-BackupList -Setting $archive).IsPermanent | Should -Be $true, $true, $false
    }

    It 'keeps the order of the backups' {
        $before = (Get-BackupList -Setting $archive).Modified
        $null = Get-BackupList -Setting $archive | Protect-PgBackup -Setting $archive
        (Get-BackupList -Setting $archive).Modified | Should -Be $before
    }

    It 'emits one that is permanent already, and takes LATEST' {
        (Protect-PgBackup LATEST -Setting $archive).Name | Should -Be $later
        (Protect-PgBackup $later -Setting $archive).IsPermanent | Should -BeTrue
    }

    It 'reports a backup that is not there and goes on' {
        $marked = @(Protect-PgBackup 'base_0000000100000000000000FF', $later -Setting $archive -ErrorAction SilentlyContinue -ErrorVariable failed)
        $marked.Name | Should -Be $later
        $failed[0].FullyQualifiedErrorId | Should -BeLike 'BackupNotFound,*'
    }
}
