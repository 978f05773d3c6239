BeforeAll {
    . $PSScriptRoot/Common.ps1
}

Describe 'Save-WalStorageItem' {
    BeforeEach {
        $archive = New-FolderArchive
        $here = (New-Item -ItemType Directory (Join-Path $TestDrive ([guid]::NewGuid().ToString('N')))).FullName
        $segment = New-WalSegment $here '000000010000000000000001'
        $null = Push-WalSegment $segment -Setting $archive
        $key = 'wal_005/000000010000000000000001.lz4'
    }

    It 'decodes an object into a file and emits it' {
        $saved = Save-WalStorageItem $key (Join-Path $here copy) -Setting $archive
        $saved.GetType().FullName | Should -BeExactly 'WalRus.Cmdlets.PgStorageFile'
        (Get-Command Save-WalStorageItem).OutputType.Type | Should -Be $saved.GetType()
        $saved.Size | Should -Be 1MB
        (Get-FileHash $saved.Path).Hash | Should -Be (Get-FileHash $segment).Hash
    }

    It 'takes items from Get-WalStorageItem into a folder, encoded or not' {
        $saved = Get-WalStorageItem wal_005 -Setting $archive | Save-WalStorageItem -Destination $here -NoDecompress -Setting $archive
        $saved.Path | Should -Be (Join-Path $here '000000010000000000000001.lz4')
        (Get-FileHash $saved.Path).Hash | Should -Be (Get-FileHash (Join-Path $archive.WALG_FILE_PREFIX $key)).Hash
    }

    It 'saves documents as they are, also from an encrypted archive' {
        Add-GoldenBackup $archive base_000000010000000000000002
        $encrypted = $archive + @{ WALG_LIBSODIUM_KEY = '7' * 64; WALG_LIBSODIUM_KEY_TRANSFORM = 'hex' }
        $saved = Save-WalStorageItem basebackups_005/base_000000010000000000000002/metadata.json $here -Setting $encrypted
        (Get-Content $saved.Path -Raw | ConvertFrom-Json).start_lsn | Should -Not -BeNullOrEmpty
    }

    It 'replaces a file only with -Force, and leaves none of what fails' {
        { Save-WalStorageItem $key $segment -Setting $archive } | Should -Throw -ErrorId 'FileExists,*'
        { Save-WalStorageItem wal_005/none (Join-Path $here none) -Setting $archive } | Should -Throw -ErrorId 'ObjectNotFound,*'
        { Save-WalStorageItem ../outside $here -Setting $archive } | Should -Throw -ErrorId 'InvalidArgument,*'
        Set-Content $segment 'old'
        $null = Save-WalStorageItem $key $segment -Force -Setting $archive
        (Get-Item $segment).Length | Should -Be 1MB
        @(Get-FileList $here).Count | Should -Be 1
    }
}
