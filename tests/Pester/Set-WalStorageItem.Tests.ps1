BeforeAll {
    . $PSScriptRoot/Common.ps1
}

Describe 'Set-WalStorageItem' {
    BeforeEach {
        $archive = New-FolderArchive
        $here = (New-Item -ItemType Directory (Join-Path $TestDrive ([guid]::NewGuid().ToString('N')))).FullName
        Set-Content (Join-Path $here 'one.txt') ('content ' * 100) -NoNewline
        Set-Content (Join-Path $here 'two.txt') 'two' -NoNewline
    }

    It 'stores a file compressed and emits its key' {
        $set = Set-WalStorageItem (Join-Path $here 'one.txt') notes/one -Setting ($archive + @{ WALG_COMPRESSION_METHOD = 'zstd' })
        $set.GetType().FullName | Should -BeExactly 'WalRus.Cmdlets.PgStorageFile'
        $set.Key | Should -BeExactly 'notes/one.zst'
        $set.Size | Should -Be 800
        Get-FileList $archive.WALG_FILE_PREFIX | Should -Be 'notes/one.zst'
    }

    It 'takes files from Get-ChildItem into a folder of the store' {
        $set = Get-ChildItem $here -File | Set-WalStorageItem -Key files/ -NoCompress -Setting $archive
        $set.Key | Should -Be 'files/one.txt', 'files/two.txt'
        Get-Content (Join-Path $archive.WALG_FILE_PREFIX files two.txt) -Raw | Should -Be 'two'
    }

    It 'encrypts unless told not to' {
        $encrypted = $archive + @{ WALG_LIBSODIUM_KEY = '7' * 64; WALG_LIBSODIUM_KEY_TRANSFORM = 'hex' }
        $null = Set-WalStorageItem (Join-Path $here 'two.txt') secret -NoCompress -Setting $encrypted
        Get-Content (Join-Path $archive.WALG_FILE_PREFIX secret) -Raw | Should -Not -Match 'two'
        $null = Set-WalStorageItem (Join-Path $here 'two.txt') plain -NoCompress -NoEncrypt -Setting $encrypted
        Get-Content (Join-Path $archive.WALG_FILE_PREFIX plain) -Raw | Should -Be 'two'
    }

    It 'replaces an object only with -Force' {
        $null = Set-WalStorageItem (Join-Path $here 'one.txt') x -NoCompress -Setting $archive
        { Set-WalStorageItem (Join-Path $here 'two.txt') x -NoCompress -Setting $archive } | Should -Throw -ErrorId 'ObjectExists,*'
        $null = Set-WalStorageItem (Join-Path $here 'two.txt') x -NoCompress -Force -Setting $archive
        Get-Content (Join-Path $archive.WALG_FILE_PREFIX x) -Raw | Should -Be 'two'
    }

    It 'has stable errors for a file that is not there and a key that leads elsewhere' {
        { Set-WalStorageItem (Join-Path $here none) x -Setting $archive } | Should -Throw -ErrorId 'FileNotFound,*'
        { Set-WalStorageItem (Join-Path $here 'one.txt') ../x -Setting $archive } | Should -Throw -ErrorId 'InvalidArgument,*'
    }
}
