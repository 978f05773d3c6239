BeforeAll {
    . $PSScriptRoot/Common.ps1
}

Describe 'Remove-WalStorageItem' {
    BeforeEach {
        $archive = New-FolderArchive
        foreach ($file in 'notes/1', 'notes/2', 'other') {
            $null = New-Item -ItemType File (Join-Path $archive.WALG_FILE_PREFIX $file) -Force -Value 'content'
        }
        $quiet = @{ Setting = $archive; Confirm = $false }
    }

    It 'removes one object and says how much' {
        $removed = Remove-WalStorageItem other @quiet
        $removed.GetType().FullName | Should -BeExactly 'WalRus.Cmdlets.PgStorageRemoval'
        (Get-Command Remove-WalStorageItem).OutputType.Type | Should -Be $removed.GetType()
        $removed.ObjectCount | Should -Be 1
        $removed.Size | Should -Be 7
        Get-FileList $archive.WALG_FILE_PREFIX | Should -Be 'notes/1', 'notes/2'
    }

    It 'removes a folder only with -Recurse' {
        { Remove-WalStorageItem notes @quiet } | Should -Throw -ErrorId 'InvalidArgument,*'
        (Remove-WalStorageItem notes -Recurse @quiet).ObjectCount | Should -Be 2
        Get-FileList $archive.WALG_FILE_PREFIX | Should -Be 'other'
    }

    It 'takes items from Get-WalStorageItem, and asks before it removes' {
        @(Get-WalStorageItem notes/* -Setting $archive | Remove-WalStorageItem @quiet).Count | Should -Be 2
        $alone = Invoke-Pwsh @('-Command', "Import-Module '$ModulePath'; Remove-WalStorageItem other -Setting @{ WALG_FILE_PREFIX = '$($archive.WALG_FILE_PREFIX)' }")
        $alone.ExitCode | Should -Not -Be 0 -Because 'nobody is there to answer'
        Get-FileList $archive.WALG_FILE_PREFIX | Should -Be 'other'
    }

    It 'spares what a listed backup consists of unless -Force' {
        Add-GoldenBackup $archive base_000000010000000000000002
        $metadata = 'basebackups_005/base_000000010000000000000002/metadata.json'
        { Remove-WalStorageItem $metadata @quiet } | Should -Throw -ErrorId 'BackupNeeded,WalRus.Cmdlets.RemoveWalStorageItemCommand'
        (Remove-WalStorageItem $metadata -Force @quiet).ObjectCount | Should -Be 1
    }

    It 'goes on after what is not there' {
        $removed = Remove-WalStorageItem none, other @quiet -ErrorAction SilentlyContinue -ErrorVariable failed
        $removed.Key | Should -Be 'other'
        $failed.FullyQualifiedErrorId | Should -Be 'ObjectNotFound,WalRus.Cmdlets.RemoveWalStorageItemCommand'
    }
}
