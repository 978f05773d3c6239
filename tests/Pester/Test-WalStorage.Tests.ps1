BeforeAll {
    . $PSScriptRoot/Common.ps1
}

AfterAll {
    Stop-S3
}

Describe 'Test-WalStorage' {
    It 'passes every step on <Kind> and leaves nothing' -ForEach @(@{ Kind = 'a folder' }, @{ Kind = 'S3' }) {
        $archive = $Kind -eq 'S3' ? (New-S3Archive) : (New-FolderArchive)
        if (-not $archive) { Set-ItResult -Skipped -Because $script:NoS3 }
        $steps = Test-WalStorage -ProbeSize 1MB -Setting $archive
        $steps[0].GetType().FullName | Should -BeExactly 'WalRus.Cmdlets.PgStorageTest'
        (Get-Command Test-WalStorage).OutputType.Type | Should -Be $steps[0].GetType()
        $steps.Step | Should -Be 'List', 'Write', 'Consistency', 'Read', 'Delete'
        $steps.Passed | Should -Not -Contain $false
        ($steps | Where-Object Step -EQ Read).BytesPerSecond | Should -BeGreaterThan 1000
        Get-WalStorageItem -Setting $archive | Should -BeNullOrEmpty
        $steps | Out-String -Width 160 | Should -Match 'Write\s+True\s+\d+ ms\s+[\d.]+ \w+/s'
    }

    It 'writes nothing with -ReadOnly and names what is missing' {
        $archive = New-FolderArchive
        $steps = Test-WalStorage wal_005/a, b -ReadOnly -Setting $archive
        $steps.Step | Should -Be 'List', 'Exists'
        $steps[1].Passed | Should -BeFalse
        $steps[1].Message | Should -Be 'files are missing: wal_005/a, b'
        $steps[1].ErrorId | Should -Be 'ObjectNotFound'
    }
}
