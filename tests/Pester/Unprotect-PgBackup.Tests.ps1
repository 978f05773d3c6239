BeforeAll {
    . $PSScriptRoot/Common.ps1
    . $PSScriptRoot/Chain.ps1
}

Describe 'Unprotect-PgBackup' {
    BeforeEach {
        $archive = New-FolderArchive
        $full, $delta, $later = Add-Chain $archive
        $null = Protect-PgBackup $delta, $later -Setting $archive
    }

    It 'takes the mark from the backup that is named and no other' {
        $one = Unprotect-PgBackup $delta -Setting $archive
        $one.Name | Should -Be $delta
        $one.IsPermanent | Should -BeFalse
        (Get-BackupList -Setting $archive).IsPermanent | Should -Be $true, $false, $true
    }

    It 'refuses one that a permanent delta is based on' {
        { Unprotect-PgBackup $full -Setting $archive -ErrorAction Stop } | Should -Throw -ErrorId 'BackupNeeded,*'
        $null = $delta, $full | Unprotect-PgBackup -Setting $archive
        (Get-BackupList -Setting $archive).IsPermanent | Should -Be $false, $false, $true
    }

    It 'changes nothing with -WhatIf' {
        Unprotect-PgBackup $later -Setting $archive -WhatIf | Should -BeNullOrEmpty
        (Get-BackupList $later -Setting $archive).IsPermanent | Should -BeTrue
    }
}
